from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from django_contentsafety.engine.evaluation import curve, evaluate, spread, wilson

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


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Published examples: Newcombe 1998, Stat Med 17:857, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_wilson_gives_the_published_intervals(successes, trials, low, high):
    interval = wilson(successes, trials)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 10_000), st.data())
def test_an_interval_holds_its_share(trials, data):
    successes = data.draw(st.integers(0, trials))
    interval = wilson(successes, trials)
    assert 0 <= interval.low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= interval.high <= 1


def test_a_spread_leaves_out_what_a_fold_lacks():
    good = evaluate([True, False], [0.9, 0.1], 0.5)
    poor = evaluate([True, False], [0.1, 0.1], 0.5)
    none = evaluate([False, False], [0.1, 0.1], 0.5)
    assert spread([good, poor, none]).recall == 0.5
    assert spread([good, none]).recall is None
    json.dumps(spread([]).precision, allow_nan=False)
