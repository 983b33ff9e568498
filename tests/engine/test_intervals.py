from __future__ import annotations

import random

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.engine.evaluation import evaluate
from django_contentsafety.engine.intervals import (
    auc_interval,
    average_precision_interval,
    effective_size,
    f1_interval,
    wilson,
)

shares = st.floats(0, 1)
sizes = st.floats(1, 10_000)


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


@given(shares, sizes, sizes)
def test_every_interval_holds_its_number_and_stays_within_0_and_1(value, size, other):
    for interval in (
        f1_interval(value, size),
        auc_interval(value, size, other),
        average_precision_interval(value, size),
    ):
        assert 0 <= interval.low <= value + 1e-9
        assert value - 1e-9 <= interval.high <= 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_few_samples_without_an_error_prove_little(value):
    for interval in (
        wilson(value * 20, 20),
        f1_interval(value, 20),
        auc_interval(value, 20, 20),
        average_precision_interval(value, 20),
    ):
        assert interval.high - interval.low > 0.08


def test_there_is_no_interval_of_nothing():
    assert wilson(0, 0) is f1_interval(0.5, 0) is None
    assert auc_interval(0.5, 0, 5) is auc_interval(0.5, 5, 0) is None
    assert average_precision_interval(0.5, 0) is None


def test_the_effective_size_counts_copies_once():
    assert effective_size([]) == 0
    assert effective_size([4, 2, 9]) == 3
    assert effective_size([1, 1, 1, 1, 2, 2, 2, 2]) == 2
    # One text with nine copies among ten others is worth less than eleven texts.
    assert 3 < effective_size([0] * 10 + list(range(1, 11))) < 11


@pytest.mark.parametrize(("positives", "negatives"), [(30, 30), (30, 200)])
@pytest.mark.parametrize("distance", [1.0, 2.5])
def test_nine_in_ten_intervals_at_least_hold_the_truth(positives, negatives, distance):
    """Scores drawn from two normal distributions, of which the truth is known."""
    rng = random.Random(1)  # noqa: S311 - a simulation

    def draw(times):
        labels = [True] * positives * times + [False] * negatives * times
        return labels, [rng.gauss(distance * label, 1) for label in labels]

    truth = evaluate(*draw(300), 1.0)
    held = dict.fromkeys(("precision", "recall", "f1", "roc_auc"), 0)
    held["average_precision"] = 0
    for _ in range(200):
        metrics = evaluate(*draw(1), 1.0)
        for name in held:
            interval = getattr(metrics, f"{name}_interval")
            held[name] += interval.low <= getattr(truth, name) <= interval.high
    assert min(held.values()) >= 180, held
