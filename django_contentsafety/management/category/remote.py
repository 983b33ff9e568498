"""What a provider keeps: adopt it, compare with it, measure what it built."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from ...flows import adopting, listings, measuring
from ...models import CategoryVersion
from .building import INTERRUPTED, describe_card_job, follow_card
from .finding import find_category, find_version
from .steps import describe
from .telling import Report, Voice


def adopt(options: dict[str, Any], voice: Voice) -> Report:
    """List what a provider keeps; with a name, or --all, adopt it."""
    alias = options["provider"]
    wants = options["name"] is not None or options["all"]
    found = adopting.survey(alias)
    made: list[CategoryVersion] = []
    if wants:
        made = adopting.adopt(alias, _chosen(options, found), by=options["actor"])
        for version in made:
            voice.say(f"{version} is adopted: {version.get_status_display()}.")
        if not made:
            voice.say("There is nothing to adopt: it is here already, or can't be.")
        found = adopting.survey(alias)
    else:
        for one in found:
            here = f"here: {one.version}" if one.version else one.why or "not here"
            voice.say(
                f"{one.remote.name}  {one.remote.provider_version}  "
                f"{one.remote.status or one.remote.raw_status}  {here}"
            )
        if not found:
            voice.say(f"{alias} keeps nothing.")
    return {
        "provider": alias,
        "adopted": [describe(version) for version in made],
        "found": [_shown(one) for one in found],
    }


def compare(options: dict[str, Any], voice: Voice) -> Report:
    """Ask providers what they keep, and mark the versions that have gone."""
    aliases = [options["provider"]] if options["provider"] else listings.aliases()
    reports = []
    for alias in aliases:
        done = listings.compare_now(alias, by=options["actor"])
        voice.say(f"{alias}: {done.looked_for} versions of ours looked for.")
        for words, names in (("is gone", done.gone), ("is back", done.back)):
            for name in names:
                voice.say(f"  {name} {words}.")
        reports.append(
            {
                "provider": alias,
                "looked_for": done.looked_for,
                "gone": list(done.gone),
                "back": list(done.back),
            }
        )
    if not aliases:
        voice.say("No provider that can say what it keeps has a version of ours.")
    return {"providers": reports}


def measure(options: dict[str, Any], voice: Voice) -> Report:
    """Analyze the withheld samples of a version, here, to the end."""
    category = find_category(options["name"])
    version = find_version(
        category, options["version"], [str(s) for s in measuring.ANSWERING], "ready"
    )
    job = measuring.find(version)
    if job is None or not job.goes_on:
        measuring.again(version, by=options["actor"])
    try:
        follow_card(version, voice)
    except KeyboardInterrupt:
        words = f"Measuring {version} goes on with a worker or contentsafety_sweep."
        raise CommandError(words, returncode=INTERRUPTED) from None
    finally:
        voice.end_progress()
    report = describe(version) | describe_card_job(version)
    if report["card_error"]:
        voice.report(report)
        raise CommandError(f"{version} has no card: {report['card_error']}")
    voice.say(f"{version} is measured on {report['withheld']} withheld samples: card.")
    return report


def _chosen(
    options: dict[str, Any], found: list[adopting.Found]
) -> list[adopting.Key] | None:
    name, number = options["name"], options["number"]
    if name is None:
        return None
    if number is not None:
        return [(name, number)]
    mine = [one for one in found if one.remote.name == name]
    if not mine:
        raise CommandError(f"{options['provider']} keeps no category {name!r}.")
    chosen = [one.key for one in mine if one.is_adoptable]
    if not chosen and (reason := next((one.why for one in mine if one.why), "")):
        raise CommandError(f"{name} can't be adopted: {reason}")
    return chosen


def _shown(found: adopting.Found) -> Report:
    return {
        "name": found.remote.name,
        "provider_version": found.remote.provider_version,
        "status": found.remote.status,
        "provider_says": found.remote.raw_status,
        "version": found.version.number if found.version else None,
        "why": found.why,
    }
