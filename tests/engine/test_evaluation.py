from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from django_contentsafety.engine.evaluation import curve, evaluate, spread

scored = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]))
)


def test_counts_and_proportions():
    metrics = evaluate([True, True, True, False, False], [0.9, 0.5, 0.1, 0.6, 0.2], 0.5)
    assert (metrics.true_positives, metrics.false_positives) == (2, 1)
    assert (metrics.false_negatives, metrics.true_negatives) == (1, 1)
    assert metrics.precision == metrics.recall == metrics.f1 == pytest.approx(2 / 3)
    assert metrics.false_positive_rate == 0.5


def test_a_proportion_of_nothing_is_none():
    metrics = evaluate([False, False], [0.1, 0.2], 0.5)
    assert metrics.precision is metrics.recall is metrics.f1 is None
    assert metrics.roc_auc is metrics.average_precision is None
    assert metrics.precision_interval is None


def test_lengths_must_agree():
    with pytest.raises(ValueError, match=r"longer|shorter"):
        evaluate([True], [0.1, 0.2], 0.5)


@given(scored)
def test_the_areas_are_those_of_scikit_learn(rows):
    labels = [label for label, _ in rows]
    scores = [score for _, score in rows]
    metrics = evaluate(labels, scores, 0.5)
    if len(set(labels)) < 2:
        assert metrics.roc_auc is metrics.average_precision is None
    else:
        assert metrics.roc_auc == pytest.approx(roc_auc_score(labels, scores))
        assert metrics.average_precision == pytest.approx(
            average_precision_score(labels, scores)
        )


@given(scored)
def test_a_curve_never_rises_and_agrees_with_the_metrics(rows):
    labels = [label for label, _ in rows]
    scores = [score for _, score in rows]
    points = curve(labels, scores)
    assert len(points) == 101
    assert (points[0].threshold, points[-1].threshold) == (0.0, 1.0)
    for point in points:
        metrics = evaluate(labels, scores, point.threshold)
        assert point.true_positives == metrics.true_positives
        assert point.false_positives == metrics.false_positives
        assert point.false_negatives == metrics.false_negatives
        assert point.true_negatives == metrics.true_negatives
    flagged = [point.true_positives + point.false_positives for point in points]
    assert flagged == sorted(flagged, reverse=True)


def test_rounding_carries_no_area_past_1():
    for positives in range(1, 200):
        labels = [True] * positives + [False]
        scores = [1 - index / 300 for index in range(positives + 1)]
        metrics = evaluate(labels, scores, 0.5)
        assert metrics.average_precision <= 1
        assert metrics.roc_auc <= 1


def test_copies_make_no_number_surer():
    labels = [index % 3 != 0 for index in range(60)]
    scores = [(index * 7 % 60) / 60 for index in range(60)]
    once = evaluate(labels, scores, 0.5)
    groups = list(range(60)) * 4
    copied = evaluate(labels * 4, scores * 4, 0.5, groups)
    bare = evaluate(labels * 4, scores * 4, 0.5)
    for name in ("precision", "recall", "f1", "roc_auc", "average_precision"):
        interval = getattr(once, f"{name}_interval")
        same = getattr(copied, f"{name}_interval")
        assert (same.low, same.high) == pytest.approx((interval.low, interval.high))
        narrow = getattr(bare, f"{name}_interval")
        assert narrow.high - narrow.low < 0.6 * (interval.high - interval.low)


def test_a_spread_leaves_out_what_a_fold_lacks():
    good = evaluate([True, False], [0.9, 0.1], 0.5)
    poor = evaluate([True, False], [0.1, 0.1], 0.5)
    none = evaluate([False, False], [0.1, 0.1], 0.5)
    assert spread([good, poor, none]).recall == 0.5
    assert spread([good, none]).recall is None
    json.dumps(spread([]).precision, allow_nan=False)
