"""What a category takes for ordinary, of a background that may hold its own kind."""

from __future__ import annotations

import numpy as np
import pytest

from django_contentsafety.engine import ordinary
from django_contentsafety.engine.background import SOURCES, load_background
from django_contentsafety.engine.ordinary import ordinary_rows


def of_source(name: str, count: int) -> np.ndarray:  # type: ignore[type-arg]
    rows = np.flatnonzero(load_background().sources == SOURCES.index(name))
    return load_background().features.dense[rows[:count]]


def test_what_is_like_the_positives_is_left_out() -> None:
    mine = load_background().sources == SOURCES.index("banking")
    positives = of_source("banking", 60)
    kept = ordinary_rows(positives, np.ones(len(positives), dtype=bool))
    left_out = np.setdiff1d(np.arange(len(mine)), kept)
    # Of its own kind most; of all the others next to nothing.
    assert mine[left_out].mean() > 0.8
    assert len(left_out) > mine.sum() / 2


def test_what_is_nearer_to_the_negatives_stays() -> None:
    banking = of_source("banking", 60)
    labels = np.arange(len(banking)) % 2 == 0
    alone = ordinary_rows(banking[labels], np.ones(labels.sum(), dtype=bool))
    both = ordinary_rows(banking, labels)
    assert len(both) > len(alone)
    assert set(alone) <= set(both)


@pytest.mark.parametrize("count", [20, 21])
def test_positives_that_nobody_knows_leave_all_of_it(count: int) -> None:
    """Texts without a known word have no vector: nothing can be said of them."""
    nothing = np.zeros((count, load_background().features.dense.shape[1]))
    kept = ordinary_rows(nothing.astype(np.float32), np.ones(count, dtype=bool))
    assert len(kept) == len(load_background().sources)


def test_most_of_it_is_left_however_wide_a_category_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ordinary, "_SHARE", 0.0)
    positives = load_background().features.dense[::40]
    kept = ordinary_rows(positives, np.ones(len(positives), dtype=bool))
    assert 0.7 < len(kept) / len(load_background().sources) < 0.8
