"""What there is: all categories, one of them, a version's card."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.db.models import Count, F, Q

from ...engine.stored_cards import read_card, read_metrics
from ...models import BuildJob, Category, CategoryVersion
from .finding import active_or_newest, find_category
from .telling import Report, Voice, bar

METRICS = {
    "precision": "of the texts it flags, the share that belongs",
    "recall": "of the texts that belong, the share it flags",
    "f1": "both in one: their harmonic mean",
    "roc_auc": "how often a positive scores above a negative",
    "average_precision": "precision over all thresholds",
}


def list_all(options: dict[str, Any], voice: Voice) -> Report:
    rows = [
        {
            "name": category.name,
            "provider": category.provider,
            "active": category.active,
            "positives": category.positives,
            "negatives": category.negatives,
        }
        for category in Category.objects.annotate(
            active=F("active_version__number"),
            positives=Count("samples", filter=Q(samples__is_positive=True)),
            negatives=Count("samples", filter=Q(samples__is_positive=False)),
        )
    ]
    for row in rows:
        active = "–" if row["active"] is None else f"v{row['active']}"
        voice.say(
            f"{row['name']}  {row['provider']}  active: {active}  "
            f"samples: +{row['positives']} −{row['negatives']}"
        )
    if not rows:
        voice.say("There are no categories yet: create one.")
    return {"categories": rows}


def show_status(options: dict[str, Any], voice: Voice) -> Report:
    category = find_category(options["name"])
    active = category.active_version
    job = (
        BuildJob.objects.filter(version__category=category)
        .select_related("version__category")
        .order_by("-pk")
        .first()
    )
    versions = category.versions.order_by("-number").defer(*CategoryVersion.BLOBS)
    report: Report = {
        "name": category.name,
        "definition": category.definition,
        "provider": category.provider,
        "active": active.number if active else None,
        "positives": category.samples.filter(is_positive=True).count(),
        "negatives": category.samples.filter(is_positive=False).count(),
        "versions": [
            {
                "version": version.number,
                "status": version.status,
                "positives": version.positive_count,
                "negatives": version.negative_count,
                "f1": measured.value
                if (measured := read_metrics(version.card).metrics.get("f1"))
                else None,
            }
            for version in versions
        ],
        "build": job and _build(job),
    }
    voice.say(f"{category} ({category.provider}): {category.definition}")
    voice.say(f"  samples: +{report['positives']} −{report['negatives']}")
    for row in report["versions"]:
        f1 = "" if row["f1"] is None else f"  F1 {row['f1']:.2f}"
        mark = "  active" if row["version"] == report["active"] else ""
        voice.say(
            f"  v{row['version']}  {row['status']}  +{row['positives']} "
            f"−{row['negatives']}{f1}{mark}"
        )
    if job and not job.is_final:
        voice.say(
            f"  build of v{job.version.number}: {job.get_status_display()} "
            f"{job.phase} {job.progress} %, asked {job.poll_count} times; "
            f"next at {job.next_poll_at:%Y-%m-%d %H:%M:%S %Z}. {job.error_message}"
        )
    return report


def show_card(options: dict[str, Any], voice: Voice) -> Report:
    version = active_or_newest(find_category(options["name"]), options["version"])
    card = read_card(version.card)
    if not card:
        raise CommandError(
            f"{version} has no evaluation card: it is {version.get_status_display()}."
        )
    voice.say(f"{version}  {card.method}")
    for name, measured in card.metrics.items():
        value, interval = measured.value, measured.interval
        span = f"{interval.low:.2f}–{interval.high:.2f}" if interval else ""
        voice.say(f"  {name:<18}{bar(value)} {value:.2f}  {span:<10} {METRICS[name]}")
    if (point := card.counts) is not None:
        voice.say(
            f"  at {point.threshold:.2f}: {point.true_positives} found, "
            f"{point.false_negatives} missed, {point.false_positives} false alarms, "
            f"{point.true_negatives} let pass"
        )
    if (ordinary := card.unrelated) is not None:
        voice.say(
            f"  ordinary texts: {ordinary.false_positives} of {ordinary.count} "
            "raised a false alarm"
        )
    for warning in card.warnings:
        voice.say(f"  ! {warning}")
    return {
        "name": version.category.name,
        "version": version.number,
        "card": version.card,
    }


def _build(job: BuildJob) -> Report:
    return {
        "version": job.version.number,
        "status": job.status,
        "phase": job.phase,
        "progress": job.progress,
        "polls": job.poll_count,
        "next_poll_at": job.next_poll_at.isoformat(),
        "provider_says": job.raw_status,
        "error": job.error_message,
    }
