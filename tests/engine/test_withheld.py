"""Which samples are withheld, and the card that is measured on them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings, strategies as st

from django_contentsafety.engine.folds import essence
from django_contentsafety.engine.stored_cards import read_card
from django_contentsafety.engine.withheld import (
    LEAST,
    Answer,
    choose_withheld,
    make_withheld_card,
)

from .made_up import make_samples

Labeled = list[tuple[str, bool]]


def split(samples: Sequence[tuple[str, bool]], share: float = 0.2) -> set[str]:
    texts, labels = [t for t, _ in samples], [p for _, p in samples]
    return {texts[index] for index in choose_withheld(texts, labels, share)}


def many(positives: int = 60, negatives: int = 60, seed: int = 0) -> Labeled:
    return [(s.text, s.is_positive) for s in make_samples(positives, negatives, seed)]


texts = st.lists(
    st.tuples(st.text("ab .,!", min_size=1, max_size=6), st.booleans()), max_size=400
)


@settings(max_examples=50)
@given(texts, st.sampled_from([0.0, 0.1, 0.2, 0.5]))
def test_a_split_holds_its_bounds_whatever_the_samples(
    samples: Labeled, share: float
) -> None:
    words, labels = [t for t, _ in samples], [p for _, p in samples]
    chosen = choose_withheld(words, labels, share)
    assert chosen <= set(range(len(samples)))
    kinds = [labels[index] for index in chosen]
    for label in (True, False):
        assert kinds.count(label) <= labels.count(label) * share
    assert not chosen or min(kinds.count(True), kinds.count(False)) >= LEAST
    # What says the same is on one side.
    withheld = {essence(words[index]) for index in chosen}
    sent = {essence(w) for index, w in enumerate(words) if index not in chosen}
    assert not withheld & sent


@settings(max_examples=20)
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_order_of_the_samples_is_nothing_to_it(
    seed: int, shuffler: random.Random
) -> None:
    samples = many(seed=seed)
    before = split(samples)
    assert len(before) == 24
    shuffler.shuffle(samples)
    assert split(samples) == before


def test_one_more_sample_moves_few_others() -> None:
    before = split(many())
    after = split([*many(), ("one more", True), ("and another", False)])
    assert len(before ^ after) <= 4


@pytest.mark.parametrize(
    ("positives", "negatives", "withheld"), [(50, 50, 20), (49, 50, 0), (500, 49, 0)]
)
def test_too_few_are_none(positives: int, negatives: int, withheld: int) -> None:
    assert len(split(many(positives, negatives))) == withheld


def test_a_lone_surrogate_is_a_text_as_any_other() -> None:
    assert split([*many(), ("\ud800 x", True)])


def card(labels: Sequence[bool], answers: Sequence[Answer]) -> dict[str, object]:
    words = [f"{'spam' if label else 'ham'} {n}" for n, label in enumerate(labels)]
    made = make_withheld_card(words, labels, answers)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    return made


def test_yes_and_no_make_the_matrix_with_intervals_and_no_curve() -> None:
    labels = [True] * 10 + [False] * 10
    answers = [True] * 8 + [False] * 2 + [True] + [False] * 9
    stored = read_card(card(labels, answers))
    assert stored.counts is not None
    assert stored.counts.true_positives == 8
    assert stored.counts.false_negatives == 2
    assert stored.counts.false_positives == 1
    assert stored.counts.true_negatives == 9
    assert set(stored.metrics) == {"precision", "recall", "f1"}
    recall = stored.metrics["recall"]
    assert recall.value == 0.8
    assert recall.interval is not None
    assert (round(recall.interval.low, 2), round(recall.interval.high, 2)) == (
        0.49,
        0.94,
    )
    assert (stored.threshold, stored.curve, stored.reliability) == (None, (), None)
    assert [error.index for error in stored.worst_errors] == [8, 9, 10]
    assert (stored.positives, stored.negatives, len(stored.scores)) == (10, 10, 20)
    assert any("yes or no" in words for words in stored.warnings)


def test_scores_have_a_curve_and_areas_and_the_worst_error_first() -> None:
    labels = [True] * 10 + [False] * 10
    answers = [0.9] * 9 + [0.4] + [0.2] * 9 + [0.95]
    stored = read_card(card(labels, answers))
    assert (stored.threshold, len(stored.curve)) == (0.5, 101)
    assert {"roc_auc", "average_precision"} <= set(stored.metrics)
    assert stored.reliability is not None
    assert [error.index for error in stored.worst_errors] == [19, 9]


def test_a_refused_text_is_left_out_and_said() -> None:
    labels = [True] * 11 + [False] * 10
    answers: list[Answer] = [None, *[True] * 10, *[False] * 10]
    stored = read_card(card(labels, answers))
    assert (stored.positives, stored.scores[0], stored.scores[1]) == (10, None, 1.0)
    assert any("refused to analyze: 1" in words for words in stored.warnings)


@pytest.mark.parametrize("answers", [[None, False], [True, None], [None, None]])
def test_answers_about_one_label_alone_make_no_card(answers: list[Answer]) -> None:
    with pytest.raises(ValueError, match="one label alone"):
        card([True, False], answers)
