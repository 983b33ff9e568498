"""Hold a version to a bar, so that a pipeline can stop where it falls short."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from ...flows import evaluating
from ...flows.importing import SamplesRefused
from ...forms import MAX_UPLOAD
from .finding import active_or_newest, find_category, read_file
from .telling import Report, Voice


def evaluate(options: dict[str, Any], voice: Voice) -> Report:
    """Measure on a file, or read the card; fail below the bar."""
    version = active_or_newest(find_category(options["name"]), options["version"])
    found = _measure(version, options, voice)
    metric, least = options["metric"], options["fail_under"]
    value = found.metrics.get(metric)
    passed = least is None or (value is not None and value >= least)
    report = {
        "name": version.category.name,
        "version": version.number,
        "source": found.source,
        "threshold": found.threshold,
        "positives": found.positives,
        "negatives": found.negatives,
        "seen_in_training": found.seen,
        "metrics": found.metrics,
        "metric": metric,
        "value": value,
        "fail_under": least,
        "passed": passed,
    }
    shown = "not measurable" if value is None else f"{value:.3f}"
    voice.say(
        f"{version}: {metric} {shown}, on {found.positives} positive and "
        f"{found.negatives} negative samples ({found.source})"
    )
    if found.seen:
        voice.say(
            f"! {found.seen} of them are among the version's own samples: it looks "
            "better than it is."
        )
    if not passed:
        voice.report(report)
        raise CommandError(f"{metric} is {shown}, and at least {least:g} was asked.")
    return report


def _measure(
    version: Any, options: dict[str, Any], voice: Voice
) -> evaluating.Evaluation:
    path, threshold = options["samples"], options["threshold"]
    if not path:
        return evaluating.evaluate_card(version, threshold=threshold)
    data = read_file(path, MAX_UPLOAD)
    try:
        return evaluating.evaluate_samples(
            version,
            data,
            filename=path,
            threshold=threshold,
            progress=voice.progress,
        )
    except SamplesRefused as refused:
        problems = "\n".join(str(error) for error in refused.errors)
        raise CommandError(f"{refused}\n{problems}") from None
    finally:
        voice.end_progress()
