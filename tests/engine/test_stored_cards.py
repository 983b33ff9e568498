from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings, strategies as st

from django_contentsafety.engine.stored_cards import METRICS, read_card

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def whole(trained):
    return json.loads(json.dumps(trained.card.as_dict()))


def places(value, path=()):
    """Every place in a JSON value, as keys and indices from its root."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if isinstance(inner, dict | list) and len(inner) < 60:
            yield from places(inner, (*path, key))
        else:
            yield (*path, key)


def broken(value, path, other):
    if not path:
        return other
    copy = value.copy()
    copy[path[0]] = broken(value[path[0]], path[1:], other)
    return copy


def test_our_own_card_is_read_whole(trained, whole):
    read = read_card(whole)
    card = trained.card
    assert read
    assert set(read.metrics) == set(METRICS)
    for name in METRICS:
        assert read.metrics[name].value == getattr(card.metrics, name)
        assert read.metrics[name].interval == getattr(card.metrics, f"{name}_interval")
    for name in (
        "method",
        "folds",
        "seed",
        "positives",
        "negatives",
        "groups",
        "curve",
        "scores",
        "reliability",
        "slices",
        "unrelated",
        "worst_errors",
        "suspect_labels",
        "warnings",
    ):
        assert getattr(read, name) == getattr(card, name), name


@given(json_values)
def test_any_json_is_read(value):
    for card in (value, {"metrics": value}, {"curve": value, "scores": value}):
        read_card(card)


@settings(max_examples=300)
@given(data=st.data(), other=json_values)
def test_a_card_with_one_odd_value_is_read_but_for_that(whole, data, other):
    path = data.draw(st.sampled_from([*places(whole)]))
    read = read_card(broken(whole, path, other))
    for measured in read.metrics.values():
        assert 0 <= measured.value <= 1
    for score in read.scores:
        assert score is None or 0 <= score <= 1
    if path[:1] not in ((), ("metrics",)):
        assert set(read.metrics) == set(METRICS)
    for error in read.worst_errors:
        for token in error.tokens:
            assert math.isfinite(token.weight)


def test_what_makes_no_sense_is_left_out():
    read = read_card(
        {
            "method": 5,
            "folds": True,
            "seed": -1,
            "metrics": {
                "precision": 1.5,
                "recall": True,
                "f1": 0.5,
                "roc_auc": math.nan,
                "f1_interval": {"low": 0.9, "high": 0.1},
                "threshold": 10**400,
            },
            "scores": [0.5, None, "x", math.inf],
            "suspect_labels": [3, -1, 3, "x", True, 2.0],
            "unrelated": {"count": 3, "false_positives": 4},
            "worst_errors": [{"index": 1, "is_positive": 1, "score": 0.5}],
            "warnings": ["a", "", 3, "a"],
        }
    )
    assert (read.method, read.folds, read.seed, read.threshold) == (
        "",
        None,
        None,
        None,
    )
    assert list(read.metrics) == ["f1"]
    assert read.metrics["f1"].interval is None
    assert read.scores == (0.5, None, None, None)
    assert read.suspect_labels == (3,)
    assert read.unrelated is None
    assert read.worst_errors == ()
    assert read.warnings == ("a",)


def test_four_counts_are_enough():
    """A provider that answers yes or no has nothing else."""
    counts = {
        "true_positives": 8,
        "false_positives": 2,
        "false_negatives": 0,
        "true_negatives": 10,
    }
    read = read_card({"metrics": counts})
    assert read
    assert (read.positives, read.negatives) == (8, 12)
    assert {name: m.value for name, m in read.metrics.items()} == {
        "precision": 0.8,
        "recall": 1.0,
        "f1": pytest.approx(8 / 9),
    }
    assert all(measured.interval for measured in read.metrics.values())
    assert read.curve == ()
    # Without one of them they say nothing.
    assert not read_card({"metrics": {**counts, "true_negatives": None}})
    assert not read_card({"metrics": dict.fromkeys(counts, 0)})
