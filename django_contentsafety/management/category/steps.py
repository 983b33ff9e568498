"""Define, sample, freeze, activate, roll back, remove: each a flow and what it did."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ...engine.containers import MAX_BYTES
from ...flows import build, bundling, leaving, previewing, removing
from ...flows.activating import previous_version
from ...flows.entries import atomic, log_category
from ...forms import MAX_UPLOAD, CategoryForm
from ...models import Category, CategoryVersion
from .finding import find_category, find_version, read_file
from .telling import Report, Voice

Status = CategoryVersion.Status
Options = dict[str, Any]

LABELS = {"positive": True, "negative": False, None: None}


def create(options: Options, voice: Voice) -> Report:
    """Define a category, held to what the page holds it to."""
    names = ("name", "definition", "provider")
    form = CategoryForm({name: options[name] for name in names})
    if not form.is_valid():
        raise CommandError(
            "\n".join(
                f"{name}: {message}"
                for name, messages in form.errors.items()
                for message in messages
            )
        )
    with atomic():
        category = form.save()
        log_category("category_created", category, options["actor"])
    voice.say(f"{category} is defined. Import samples next.")
    return {"name": category.name, "provider": category.provider}


def import_(options: Options, voice: Voice) -> Report:
    """Samples into a category, or a bundle as a new one."""
    path, into = options["file"], options["into"]
    data = read_file(path, MAX_BYTES)
    if data[:2] == b"PK":
        if into:
            raise CommandError(
                f"{path} is a bundle, which becomes a category of its own: leave "
                "--into out; --name gives it another name."
            )
        return _import_bundle(data, options, voice)
    if not into:
        raise CommandError(
            f"{path} is no bundle. To add samples say --into and the category's name."
        )
    if len(data) > MAX_UPLOAD:
        raise CommandError(f"{path} is larger than {MAX_UPLOAD:,} bytes: split it.")
    return _import_samples(data, find_category(into), options, voice)


def export(options: Options, voice: Voice) -> Report:
    """Write the category's bundle, or its samples alone."""
    category = find_category(options["name"])
    path = Path(options["file"] or f"{category.name}.zip")
    if path.exists() and not options["force"]:
        raise CommandError(f"{path} is there already: say --force to replace it.")
    data = bundling.export_bundle(
        category, by=options["actor"], numbers=options["versions"] or None
    )
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}.") from None
    voice.say(f"{path}: {len(data):,} bytes.")
    return {
        "name": category.name,
        "file": str(path),
        "bytes": len(data),
        "sha256": sha256(data).hexdigest(),
    }


def freeze(options: Options, voice: Voice) -> Report:
    version = build.freeze(find_category(options["name"]), by=options["actor"])
    voice.say(
        f"{version} is frozen: {version.positive_count} positive, "
        f"{version.negative_count} negative samples. Build it next."
    )
    return describe(version)


def activate(options: Options, voice: Voice) -> Report:
    category = find_category(options["name"])
    version = find_version(category, options["version"], [Status.READY], "ready")
    return _activate(version, options, voice)


def rollback(options: Options, voice: Voice) -> Report:
    """Activate the version that answered before the one that does now."""
    category = find_category(options["name"])
    if options["version"] is not None:
        version = find_version(category, options["version"], (), "ready")
    else:
        before = previous_version(category)
        if before is None:
            raise CommandError(
                f"No version of {category} was active before: say --version N."
            )
        version = before
    return _activate(version, options, voice)


def retire(options: Options, voice: Voice) -> Report:
    return _remove("retire", "is retired", options, voice)


def delete(options: Options, voice: Voice) -> Report:
    """One version, or the category; a worker follows what a provider has to delete."""
    if not options["all"]:
        return _remove("delete", "is being deleted", options, voice)
    category = find_category(options["name"])
    name = category.name
    going = leaving.delete_category(
        category, by=options["actor"], reason=options["reason"]
    )
    if going:
        voice.say(f"{name} goes when its provider has deleted its versions.")
    else:
        voice.say(f"{name} is deleted.")
    return {"name": name, "deleted": not going, "going": len(going)}


def describe(version: CategoryVersion) -> Report:
    """A version as every report has it."""
    return {
        "name": version.category.name,
        "version": version.number,
        "status": version.status,
        "positives": version.positive_count,
        "negatives": version.negative_count,
    }


def _import_samples(
    data: bytes, category: Category, options: Options, voice: Voice
) -> Report:
    label = LABELS[options["label"]]
    if options["dry_run"]:
        preview = previewing.preview_samples(category, data, is_positive=label)
        for row in preview.rows:
            if row.message:
                where = f"Line {row.line}: " if row.line else ""
                voice.say(f"{where}{row.message} {row.remedy}")
        voice.say(
            f"Would add {preview.positives} positive, {preview.negatives} negative "
            f"samples; {preview.problems} lines have a problem. Nothing is stored."
        )
        return {
            "name": category.name,
            "stored": False,
            "added": preview.added,
            "known": preview.counts.get("known", 0),
            "skipped": preview.problems + preview.counts.get("duplicate", 0),
        }
    try:
        done = build.import_samples(
            category,
            data,
            filename=options["file"],
            by=options["actor"],
            is_positive=label,
            skip=options["skip"],
        )
    except build.SamplesRefused as refused:
        problems = "\n".join(str(error) for error in refused.errors)
        raise CommandError(
            f"{refused}\n{problems}\nNothing was stored; --skip leaves such lines out."
        ) from None
    voice.say(
        f"{done.added} added, {done.known} there already, {done.skipped} left out."
    )
    return {
        "name": category.name,
        "stored": True,
        "added": done.added,
        "known": done.known,
        "skipped": done.skipped,
    }


def _import_bundle(data: bytes, options: Options, voice: Voice) -> Report:
    chosen = {"name": options["name"], "provider": options["provider"]}
    plan = bundling.preview_bundle(data, **chosen)
    if not options["dry_run"]:
        bundling.import_bundle(data, by=options["actor"], **chosen)
    voice.say(
        f"{plan.name}: {plan.positives} positive, {plan.negatives} negative samples"
    )
    for planned in plan.versions:
        number = planned.bundled.facts.number
        voice.say(f"  v{number} {planned.status} {planned.why}".rstrip())
    for problem in plan.problems:
        voice.say(problem)
    if options["dry_run"]:
        voice.say("Nothing is stored.")
    elif plan.active:
        voice.say(f"v{plan.active} was active there; none is here yet.")
    return {
        "name": plan.name,
        "stored": not options["dry_run"],
        "added": len(plan.samples),
        "versions": [
            {
                "version": planned.bundled.facts.number,
                "status": str(planned.status),
                "why": planned.why,
            }
            for planned in plan.versions
        ],
        "problems": list(plan.problems),
    }


def _activate(version: CategoryVersion, options: Options, voice: Voice) -> Report:
    before = version.category.active_version
    build.activate(
        version,
        by=options["actor"],
        reason=options["reason"],
        override_reason=options["override"],
    )
    voice.say(f"{version} answers from now on.")
    return describe(version) | {"before": before.number if before else None}


def _remove(name: str, done: str, options: Options, voice: Voice) -> Report:
    version = find_version(
        find_category(options["name"]), options["version"], (), "named"
    )
    act: Callable[..., None] = getattr(removing, name)
    act(version, by=options["actor"], reason=options["reason"])
    version.refresh_from_db()
    voice.say(f"{version} {done}: {version.get_status_display()}.")
    return describe(version)
