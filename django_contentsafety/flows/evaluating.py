"""How good a version is on samples it has not seen, or by its own card."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

from ..engine.evaluation import CurvePoint, evaluate
from ..engine.samples import parse_jsonl, text_hash
from ..engine.samples_csv import parse_samples
from ..engine.stored_cards import METRICS, read_card
from ..exceptions import ProviderError, RateLimited, RefusedError
from ..models import CategoryVersion
from ..providers import CustomCategory, Provider, providers
from ..verdicts import Verdict
from . import calls
from .importing import SamplesRefused, grave_errors
from .plans import reference

#: Samples of one question.
CHUNK = 200
#: Seconds to wait for a provider's quota before giving up.
PATIENCE = 120.0

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was measured, and on what."""

    #: "samples" or "card".
    source: str
    #: Where a score counts as positive; None = the provider said yes or no itself.
    threshold: float | None
    #: The counts and proportions of ``engine.evaluation.Metrics``.
    metrics: dict[str, Any]
    positives: int
    negatives: int
    #: Samples that the version was trained with: they say nothing about new texts.
    seen: int = 0


def evaluate_samples(
    version: CategoryVersion,
    data: bytes,
    *,
    filename: str,
    threshold: float | None = None,
    progress: Progress = lambda phase, fraction: None,
) -> Evaluation:
    """Ask the version about labeled samples (JSONL or CSV). Nothing is stored.

    Without ``threshold`` that of the version's card counts. Raise SamplesRefused where
    a line can't be read, RefusedError where the version or its provider can't answer.
    """
    _check_ready(version)
    parsed = parse_samples(data)
    if errors := grave_errors(parsed):
        raise SamplesRefused(filename, errors)
    if not parsed.samples:
        raise RefusedError(_("%s holds no samples.") % filename)
    if version.provider not in providers:
        raise RefusedError(
            _("There is no provider %s in CONTENTSAFETY_PROVIDERS.") % version.provider
        )
    asked = reference(
        version.pk, version.category.name, version.number, version.provider_version
    )
    texts = [sample.text for _line, sample in parsed.samples]
    lines = [line for line, _sample in parsed.samples]
    labels = [sample.is_positive for _line, sample in parsed.samples]
    verdicts = _ask(providers[version.provider], asked, texts, lines, progress)
    scores, has_scores = _scores(verdicts, asked.name)
    if not has_scores:
        if threshold is not None:
            raise RefusedError(
                _("%s answers yes or no: there is no threshold to set.")
                % version.provider
            )
    elif threshold is None:
        threshold = _card_threshold(version)
    metrics = asdict(evaluate(labels, scores, 0.5 if threshold is None else threshold))
    if not has_scores:
        # Nothing lies between yes and no to rank by.
        metrics |= dict.fromkeys(("threshold", "roc_auc", "average_precision"))
    frozen = bytes(version.samples_jsonl)
    known = {
        text_hash(sample.text)
        for _line, sample in parse_jsonl(frozen, max_bytes=len(frozen)).samples
    }
    return Evaluation(
        source="samples",
        threshold=threshold,
        metrics=metrics,
        positives=sum(labels),
        negatives=len(labels) - sum(labels),
        seen=sum(text_hash(text) in known for text in texts),
    )


def evaluate_card(
    version: CategoryVersion, *, threshold: float | None = None
) -> Evaluation:
    """What the version's card says; with ``threshold``, at the nearest it measured.

    Raise RefusedError where the version has no card, or no curve to look it up in.
    """
    card = read_card(version.card)
    if not card:
        raise RefusedError(
            _("%s has no evaluation card: give it labeled samples to answer.") % version
        )
    metrics: dict[str, Any] = {"threshold": card.threshold}
    if card.counts is not None:
        metrics |= _counts(card.counts)
    metrics |= dict.fromkeys(METRICS)
    for name, measured in card.metrics.items():
        span = measured.interval
        metrics[name] = measured.value
        metrics[f"{name}_interval"] = asdict(span) if span else None
    if threshold is not None:
        wanted = threshold
        if not card.curve:
            raise RefusedError(_("The card of %s has no curve.") % version)
        point = min(card.curve, key=lambda point: abs(point.threshold - wanted))
        metrics |= _at(point)
    return Evaluation(
        source="card",
        threshold=metrics["threshold"],
        metrics=metrics,
        positives=version.positive_count,
        negatives=version.negative_count,
    )


def _check_ready(version: CategoryVersion) -> None:
    if version.status != CategoryVersion.Status.READY:
        raise RefusedError(
            _("%(version)s is %(status)s: only a ready version can be asked.")
            % {"version": version, "status": version.get_status_display()}
        )


def _ask(
    provider: Provider,
    asked: CustomCategory,
    texts: Sequence[str],
    lines: Sequence[int],
    progress: Progress,
) -> list[Verdict]:
    """A verdict for each text, within the quota that saves come first in."""
    verdicts: list[Verdict] = []
    waited_from = time.monotonic()
    while len(verdicts) < len(texts):
        room = calls.room(provider, [asked], bulk=True)
        size = CHUNK if room is None else min(CHUNK, room)
        chunk = texts[len(verdicts) : len(verdicts) + size]
        before = len(verdicts)
        for answer in (
            calls.analyze(provider, chunk, [asked], bulk=True) if size else []
        ):
            if isinstance(answer, RateLimited):
                break
            if isinstance(answer, ProviderError):
                raise RefusedError(
                    _("The sample in line %(line)d got no answer: %(error)s")
                    % {"line": lines[len(verdicts)], "error": answer}
                )
            if isinstance(answer, Exception):
                raise answer
            verdicts.append(answer)
        progress(_("Asking"), len(verdicts) / len(texts))
        if len(verdicts) > before:
            waited_from = time.monotonic()
        elif time.monotonic() - waited_from > PATIENCE:
            raise RefusedError(
                _("%s has no room in its quota: evaluate again later.") % provider.alias
            )
        else:
            time.sleep(1)
    return verdicts


def _scores(verdicts: Sequence[Verdict], name: str) -> tuple[list[float], bool]:
    """Each verdict as a number from 0 to 1, and whether it is more than yes or no."""
    found = [
        next((score for score in verdict.scores if score.category == name), None)
        for verdict in verdicts
    ]
    scores = [answer.score for answer in found if answer and answer.score is not None]
    if len(scores) == len(verdicts):
        return scores, True
    detected = [
        float(answer.detected)
        for answer in found
        if answer and answer.detected is not None
    ]
    if len(detected) == len(verdicts):
        return detected, False
    raise RefusedError(_("The provider left a sample without an answer about it."))


def _card_threshold(version: CategoryVersion) -> float:
    threshold = read_card(version.card).threshold
    return 0.5 if threshold is None else threshold


def _counts(point: CurvePoint) -> dict[str, int]:
    return {k: v for k, v in asdict(point).items() if k != "threshold"}


def _at(point: CurvePoint) -> dict[str, Any]:
    """The metrics of a threshold by its counts; the areas are the same at each."""
    labels = [True, True, False, False]
    scores = [1.0, 0.0, 1.0, 0.0]
    counts = [
        point.true_positives,
        point.false_negatives,
        point.false_positives,
        point.true_negatives,
    ]
    measured = asdict(
        evaluate(
            [label for label, n in zip(labels, counts, strict=True) for _ in range(n)],
            [score for score, n in zip(scores, counts, strict=True) for _ in range(n)],
            0.5,
        )
    )
    areas = ("roc_auc", "average_precision")
    kept = {k: v for k, v in measured.items() if not k.startswith(areas)}
    return kept | {"threshold": point.threshold}
