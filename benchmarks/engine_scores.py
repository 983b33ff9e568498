"""Scores of rows by heads that haven't seen their source, ours and TF-IDF's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from django_contentsafety.engine.tiers import FAST
from tools.train_harm.calibrate import calibrate
from tools.train_harm.fit import leave_out, targets
from tools.train_harm.matrix import featurize
from tools.train_harm.rows import CATEGORIES, Row, place

from . import engine_peers
from .engine_attacks import ATTACKS, HELD_OUT, attacked

__all__ = ["FOUR", "Scores", "any_harm", "identity", "precision", "score_rows"]

FOUR = CATEGORIES[:4]
#: Held out while words are hidden: prompts, and half of the texts of our own.
HIDDEN_IN = ("ailuminate", "own 0")
#: Texts of each of these that are hidden.
HIDDEN = 500
#: Ordinary texts that stand beside each source's own.
ORDINARY = 1000
#: Positives below which a source says nothing of a category.
LEAST = 15


@dataclass(frozen=True, slots=True)
class Scores:
    """Logits of every row by category, and what hiding words costs."""

    ours: dict[str, Any]
    tfidf: dict[str, Any]
    hidden: dict[str, dict[str, float]]


def score_rows(
    rows: Sequence[Row],
    say: Any,
    tier: str = FAST.name,
    beside: bool = True,
    hidden_texts: int = HIDDEN,
    attacks: Sequence[Any] = (*ATTACKS, *HELD_OUT),
) -> Scores:
    """Scores on a tier; `beside` says whether TF-IDF is trained on the same rows."""
    texts = np.array([row.text for row in rows], dtype=object)
    weights = np.array([row.weight for row in rows])
    matrix = featurize(list(texts), tier)
    ours, tfidf = ({c: np.full(len(rows), np.nan) for c in CATEGORIES} for _ in "ab")
    hidden = {}
    for name, mine, models in leave_out(rows, matrix, say):
        if beside:
            vectors = engine_peers.tfidf(texts[~mine])
            seen, held = vectors.transform(texts[~mine]), vectors.transform(texts[mine])
        for category, model in models.items():
            ours[category][mine] = model.logits(matrix[mine])
            if not beside:
                continue
            labels = targets(rows, category)[~mine]
            known = labels >= 0
            peer = engine_peers.regression(
                seen[known], labels[known], weights[~mine][known]
            )
            tfidf[category][mine] = peer.decision_function(held)
        if name in HIDDEN_IN:
            held_rows = [
                row for row, is_mine in zip(rows, mine, strict=True) if is_mine
            ]
            hidden[name] = _hidden(held_rows[:hidden_texts], models, tier, attacks)
    return Scores(ours, tfidf, hidden)


def _hidden(
    rows: Sequence[Row], models: dict[str, Any], tier: str, attacks: Sequence[Any]
) -> dict[str, float]:
    """Mean average precision of the four: of the texts as they are, and hidden."""
    texts = [row.text for row in rows]
    found = {"as it is": _mean_precision(rows, models, texts, tier)}
    for attack in attacks:
        found[attack.__name__] = _mean_precision(
            rows, models, attacked(attack, texts), tier
        )
    return found


def _mean_precision(
    rows: Sequence[Row], models: dict[str, Any], texts: list[str], tier: str
) -> float:
    matrix = featurize(texts, tier)
    values = []
    for category in FOUR:
        labels = targets(rows, category)
        known = labels >= 0
        if labels.max() == 1:
            logits = models[category].logits(matrix)
            values.append(average_precision_score(labels[known], logits[known]))
    return round(float(np.mean(values)), 4)


def precision(
    rows: Sequence[Row], scores: dict[str, Any], categories: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Average precision by category and source, each beside ordinary texts."""
    sources = np.array([row.source.split(":")[0] for row in rows])
    benign = np.array([row.benign for row in rows])
    few = np.array([place(row.text, 5) for row in rows])
    ordinary = np.zeros(len(rows), dtype=bool)
    ordinary[np.argsort(np.where(benign, few, np.iinfo(np.uint64).max))[:ORDINARY]] = (
        True
    )
    ordinary &= benign
    found: dict[str, dict[str, dict[str, float]]] = {}
    for category in categories:
        labels = targets(rows, category)
        logits = scores[category]
        usable = (labels >= 0) & ~np.isnan(logits)
        for source in sorted(set(sources)):
            mine = usable & ((sources == source) | ordinary)
            positives = int((labels[mine & (sources == source)] == 1).sum())
            if positives < LEAST:
                continue
            mine &= (sources == source) | (labels == 0)
            found.setdefault(category, {})[source] = {
                "positives": positives,
                "texts": int(mine.sum()),
                "average_precision": round(
                    float(average_precision_score(labels[mine], logits[mine])), 4
                ),
            }
    return found


def any_harm(
    rows: Sequence[Row],
    scores: dict[str, Any],
    calibrated: bool = True,
    sources: Sequence[str] = ("surge", "davidson", "ailuminate", "own"),
) -> dict[str, dict[str, float]]:
    """Average precision of the highest score against any label, by source."""
    columns = []
    for category in CATEGORIES:
        logits = scores[category]
        if calibrated:
            slope, offset, _ = calibrate(rows, category, logits)
            logits = slope * logits + offset
        columns.append(logits)
    highest = np.max(columns, axis=0)
    found = {}
    for source in sources:
        mine, labels = [], []
        for number, row in enumerate(rows):
            harmful = any(row.labels.values())
            # Unlabeled is not harmless.
            if row.source.split(":")[0] == source and (
                harmful or len(row.labels) == len(CATEGORIES)
            ):
                mine.append(number)
                labels.append(harmful)
        if not LEAST <= sum(labels) < len(labels):
            continue
        value = average_precision_score(labels, highest[mine])
        found[source] = {
            "positives": sum(labels),
            "texts": len(mine),
            "average_precision": round(float(value), 4),
        }
    return found


def identity(rows: Sequence[Row], logits: Any) -> dict[str, dict[str, float]]:
    """The share of harmless sentences about groups that stay below a severity of Hate.

    The frame of each is unseen; the names of the groups are not.
    """
    _, _, levels = calibrate(rows, "Hate", logits)
    found = {}
    kinds = ("neutral-identity", "positive-identity", "negation", "counter-speech")
    for kind in kinds:
        own = logits[[row.source == f"own:{kind}" for row in rows]]
        found[kind] = {
            "texts": len(own),
            "below_2": round(float((own < levels[1]).mean()), 4),
            "below_4": round(float((own < levels[3]).mean()), 4),
        }
    return found
