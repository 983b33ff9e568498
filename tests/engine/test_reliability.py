from __future__ import annotations

import random

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.engine.reliability import BINS, measure_reliability

scored = st.lists(st.tuples(st.booleans(), st.floats(0, 1)))


@given(scored)
def test_every_sample_is_in_one_bin(rows):
    found = measure_reliability([label for label, _ in rows], [s for _, s in rows])
    assert len(found.bins) == BINS
    assert sum(one.count for one in found.bins) == len(rows)
    assert sum(one.positives for one in found.bins) == sum(label for label, _ in rows)
    for one in found.bins:
        assert (one.count == 0) is (one.share is None) is (one.mean_score is None)
        if one.count:
            assert one.low - 1e-9 <= one.mean_score <= one.high + 1e-9
            interval = one.share_interval
            assert 0 <= interval.low <= one.share + 1e-9
            assert one.share - 1e-9 <= interval.high <= 1
    assert found.error is None or 0 <= found.error <= 1


def test_the_ends_are_in_the_outer_bins():
    found = measure_reliability([False, True, True], [0.0, 1.0, 0.1])
    assert [one.count for one in found.bins] == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]


def simulate(positives, negatives, bend=1.0):
    """Scores that mean what they say where both labels are equally frequent."""
    rng = random.Random(2)  # noqa: S311 - a simulation
    labels, scores = [], []
    while positives or negatives:
        score = rng.random()
        label = rng.random() < score
        if positives if label else negatives:
            labels.append(label)
            scores.append(score**bend)
            positives, negatives = positives - label, negatives - (not label)
    return labels, scores


@pytest.mark.parametrize("negatives", [5_000, 500])
def test_honest_scores_have_no_error_however_uneven_the_labels(negatives):
    found = measure_reliability(*simulate(5_000, negatives))
    assert found.error < 0.04
    for one in found.bins:
        assert one.share == pytest.approx(one.mean_score, abs=0.12)


def test_bent_scores_have_one():
    assert measure_reliability(*simulate(2_000, 2_000, bend=3.0)).error > 0.15


def test_one_label_alone_has_no_error():
    assert measure_reliability([True], [0.5]).error is None
    assert measure_reliability([], []).error is None
