from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings

from django_contentsafety.engine.artifacts import dump
from django_contentsafety.engine.background import load_background
from django_contentsafety.engine.calibration import fit_platt
from django_contentsafety.engine.classifier import train
from django_contentsafety.engine.errors import TrainingError
from django_contentsafety.engine.evaluation import evaluate
from django_contentsafety.engine.features import MAX_CHARS
from django_contentsafety.engine.folds import assign_folds, group_texts
from django_contentsafety.engine.head import sigmoid
from django_contentsafety.engine.held_out import ORDINARY
from django_contentsafety.engine.samples import Sample
from django_contentsafety.engine.scoring import read
from django_contentsafety.engine.unrelated import unrelated_texts

from .made_up import NEGATIVE, POSITIVE, make_samples, make_text
from .tricky import ODD_TEXTS, any_text


def test_it_learns_what_the_card_says(trained):
    held_out = make_samples(200, 200, seed=1)
    scores = trained.head.score([sample.text for sample in held_out])
    right = sum(
        (score >= trained.head.threshold) is sample.is_positive
        for score, sample in zip(scores, held_out, strict=True)
    )
    assert right / len(held_out) > 0.95
    assert trained.card.metrics.f1 > 0.9
    assert trained.card.metrics.roc_auc > 0.95


def test_a_card_does_not_flatter_noise():
    rng = random.Random(5)  # noqa: S311
    noise = [
        Sample(text=make_text(rng, POSITIVE), is_positive=bool(index % 2))
        for index in range(200)
    ]
    card = train(noise).card
    assert 0.35 < card.metrics.roc_auc < 0.65
    assert any("hardly told apart" in warning for warning in card.warnings)


def test_copies_stay_in_one_fold_so_noise_is_still_noise():
    rng = random.Random(6)  # noqa: S311
    noise = []
    for index in range(60):
        text = make_text(rng, POSITIVE, marked=0)
        for copy in (text, text.upper() + "!", text.replace("o", "0"), text + " ..."):
            noise.append(Sample(text=copy, is_positive=bool(index % 2)))
    card = train(noise).card
    assert card.groups == 60
    assert card.metrics.roc_auc < 0.7
    assert any("word for word: 180" in warning for warning in card.warnings)


def test_the_same_samples_give_the_same_bytes(trained):
    again = train(make_samples(60, 60))
    assert dump(again.head, name="a", version=1) == dump(
        trained.head, name="a", version=1
    )
    assert again.card == trained.card


def test_other_samples_or_another_seed_do_not(trained):
    assert train(make_samples(60, 60), seed=1).card != trained.card
    other = train(make_samples(60, 60, seed=2)).head
    assert other.weights.tobytes() != trained.head.weights.tobytes()


def test_a_card_is_json_and_holds_no_text(trained):
    card = json.loads(json.dumps(trained.card.as_dict(), allow_nan=False))
    assert (card["positives"], card["negatives"], card["folds"]) == (60, 60, 5)
    assert card["method"].startswith("5-fold cross-validation")
    assert len(card["curve"]) == 101
    assert 0 < card["metrics"]["recall_interval"]["low"] < 1
    assert not any(word in json.dumps(card) for word in POSITIVE + NEGATIVE)


def test_wrong_labels_are_suspected():
    samples = make_samples(200, 200, seed=3)
    wrong = {7, 30, 300}
    for index in wrong:
        flipped = not samples[index].is_positive
        samples[index] = Sample(text=samples[index].text, is_positive=flipped)
    card = train(samples).card
    assert set(card.suspect_labels) == wrong
    assert {error.index for error in card.worst_errors} >= wrong
    assert card.worst_errors[0].index in wrong


def test_whoever_has_the_scores_can_count_the_same():
    samples = make_samples(60, 80, seed=3)
    samples[7] = Sample(text=samples[7].text, is_positive=False)
    card = train(samples).card
    labels = [sample.is_positive for sample in samples]
    counted = evaluate(labels, card.scores, card.metrics.threshold)
    assert counted == card.metrics
    assert all(score == round(score, 4) for score in card.scores)
    assert all(card.scores[error.index] == error.score for error in card.worst_errors)


def test_an_error_is_explained_by_the_model_that_had_not_seen_it():
    samples = make_samples(100, 100, seed=3)
    # A model that had seen the sample would know this word, and go by it.
    samples[7] = Sample(text=f"{samples[7].text} quuxquux", is_positive=False)
    card = train(samples).card
    error = card.worst_errors[0]
    assert error.index == 7
    text = samples[7].text
    words = {text[token.start : token.end]: token.weight for token in error.tokens}
    strongest = max(words, key=lambda word: abs(words[word]))
    assert strongest in POSITIVE
    assert abs(words.get("quuxquux", 0)) < 0.2 * words[strongest]
    assert max(error.tokens, key=lambda token: abs(token.weight)).weight > 0


def test_ordinary_texts_are_counted_and_warned_of(trained):
    found = trained.card.unrelated
    assert found.count == len(found.scores) >= 300
    assert found.false_positives == sum(score >= 0.5 for score in found.scores)
    assert found.scores == tuple(
        round(score, 4)
        for score in trained.head.score([one.text for one in unrelated_texts()[1]])
    )
    often = found.rate > 0.02
    assert often is any("ordinary texts" in words for words in trained.card.warnings)


def test_few_ordinary_texts_are_flagged_even_where_the_samples_are_such():
    # Labels that mean nothing: by the samples alone, half of all texts would be.
    texts = [one.text for one in unrelated_texts()[1] if one.language == "en"]
    head = train(
        [
            Sample(text=text, is_positive=bool(number % 2))
            for number, text in enumerate(texts)
        ]
    ).head
    logits = head.logits(load_background().features)
    flagged = sum(head.calibrate(logit) >= head.threshold for logit in logits)
    # Held to it are models that have not seen a row; this one has.
    assert flagged < 2 * ORDINARY * len(logits)


def repeated(sample, times):
    return [sample] * times


POS = Sample(text="one", is_positive=True)
NEG = Sample(text="two", is_positive=False)

#: Samples that cannot make a category, and the code of the refusal.
REFUSED = {
    "nothing": ([], "too_few_positives"),
    "few positives": (make_samples(19, 60), "too_few_positives"),
    "negatives only": (make_samples(0, 60), "too_few_positives"),
    "copied positives": (
        make_samples(19, 60) + repeated(make_samples(1, 0)[0], 50),
        "too_few_positives",
    ),
    "one text": (
        [
            Sample(text=f"one{'!' * index}", is_positive=bool(index % 2))
            for index in range(60)
        ],
        "identical",
    ),
    "one text twice labeled": (
        [*make_samples(60, 60), POS, Sample(text=" one\n", is_positive=False)],
        "contradiction",
    ),
    "two texts": ([POS] * 50 + [NEG] * 50, "too_few_positives"),
    "blank": (
        [Sample(text=" " * index, is_positive=True) for index in range(60)],
        "identical",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_samples_that_cannot_make_a_category_are_refused(name):
    samples, code = REFUSED[name]
    with pytest.raises(TrainingError) as caught:
        train(samples)
    assert caught.value.code == code
    assert caught.value.remedy


def test_a_contradiction_names_both_samples():
    samples, _ = REFUSED["one text twice labeled"]
    with pytest.raises(TrainingError, match="Samples 121 and 122 "):
        train(samples)


def test_the_smallest_set_trains_and_warns():
    card = train(make_samples(20, 20)).card
    assert "20 positives: the interval is wide." in card.warnings


def test_positives_alone_train_and_the_card_says_what_is_unknown():
    trained = train(make_samples(60, 0))
    metrics = trained.card.metrics
    assert metrics.recall > 0.8
    # No false positive among no negatives is no precision.
    assert metrics.precision is metrics.f1 is metrics.precision_interval is None
    assert trained.card.unrelated.rate < 0.05
    assert "no negatives" in trained.card.warnings[0]
    similar = make_samples(0, 20, seed=4)
    assert max(trained.head.score([one.text for one in similar])) < 1
    json.dumps(trained.card.as_dict(), allow_nan=False)


def about(things):
    acts = ("is asleep", "was found", "looks old", "has gone", "came home")
    return [f"the {thing} {act}" for thing in things.split() for act in acts]


def test_a_definition_finds_what_no_sample_names():
    samples = [
        Sample(text=text, is_positive=positive)
        for positive, things in (
            (True, "dog cat puppy kitten"),
            (False, "car phone table lamp"),
        )
        for text in about(things)
    ]
    plain = train(samples).head
    helped = train(samples, definition="Texts about pets and other animals.").head
    texts = about("hamster parrot horse") + about("door radio shelf")
    logits = [head.logits(read(texts).features) for head in (plain, helped)]
    gaps = [np.mean(found[:15]) - np.mean(found[15:]) for found in logits]
    assert gaps[1] > gaps[0] + 0.1


def test_without_a_definition_there_is_nothing_to_it(trained):
    same = train(make_samples(60, 60), definition=" \u200b ").head
    assert same.dense.tobytes() == trained.head.dense.tobytes()
    assert same.weights.tobytes() == trained.head.weights.tobytes()


def test_a_few_negatives_help_and_are_warned_of():
    card = train(make_samples(60, 3)).card
    assert "3 negatives: the interval is wide." in card.warnings
    assert card.unrelated.rate < 0.05


def test_uneven_samples_train_and_warn():
    card = train(make_samples(20, 300)).card
    assert card.metrics.recall > 0.5
    assert any("300 negatives" in warning for warning in card.warnings)


def test_long_samples_are_counted():
    samples = make_samples(30, 30)
    long = "mona " * MAX_CHARS
    samples.append(Sample(text=long, is_positive=True))
    card = train(samples).card
    assert any("was not read: 1" in warning for warning in card.warnings)


def test_progress_rises_through_the_phases():
    seen = []
    train(make_samples(20, 20), progress=lambda *step: seen.append(step))
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    phases = list(dict.fromkeys(phase for phase, _ in seen))
    assert phases == ["features", "cross-validation", "fit", "calibration", "card"]


def test_progress_can_end_a_training():
    def stop(phase, fraction):
        if phase == "fit":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(make_samples(20, 20), progress=stop)


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_texts_have_scores(trained, name):
    text = ODD_TEXTS[name]
    (result,) = trained.head.analyze([text])
    assert 0 < result.score < 1
    assert result.truncated is (len(text) > MAX_CHARS)
    for token in trained.head.explain(text):
        assert 0 <= token.start < token.end <= len(text)


@settings(max_examples=50)
@given(text=any_text)
def test_any_text_has_a_score_and_an_explanation(trained, text):
    (score,) = trained.head.score([text])
    assert 0 < score < 1
    tokens = trained.head.explain(text, limit=3)
    assert len(tokens) <= 3
    for token in tokens:
        assert math.isfinite(token.weight)
        assert 0 <= token.start < token.end <= len(text)


def test_an_explanation_points_at_the_words(trained):
    text = "Mona tike ZUG\u200bmat, belder"
    strongest, second, *_ = trained.head.explain(text)
    assert {text[token.start : token.end] for token in (strongest, second)} == {
        "ZUG\u200bmat,",
        "belder",
    }
    signs = {text[t.start : t.end]: t.weight > 0 for t in (strongest, second)}
    assert signs == {"ZUG\u200bmat,": True, "belder": False}


def test_the_weights_of_all_words_make_the_logit(trained):
    text = "mona zugmat zugmat belder raloke"
    head = trained.head
    # The bigrams' share of the space between two words belongs to no word.
    weights = sum(token.weight for token in head.explain(text, limit=100))
    (score,) = head.score([text])
    logit = (math.log(score / (1 - score)) - head.offset) / head.slope
    assert weights + head.bias == pytest.approx(logit, abs=0.02)


def test_no_texts_no_scores(trained):
    assert trained.head.score([]) == []
    assert trained.head.explain("zugmat", limit=0) == []


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (3.0, -2.0), (0.2, 1.0)])
def test_platt_finds_the_curve_that_made_the_labels(slope, offset):
    np = pytest.importorskip("numpy")
    rng = np.random.default_rng(0)
    # Symmetric about the point of even odds, so both labels are equally frequent.
    logits = rng.normal(-offset / slope, 2 / slope, 40_000)
    labels = rng.random(40_000) < 1 / (1 + np.exp(-(slope * logits + offset)))
    found = fit_platt(logits, labels)
    assert found == pytest.approx((slope, offset), rel=0.05, abs=0.05)


def test_platt_gives_both_labels_the_same_weight():
    np = pytest.importorskip("numpy")
    rng = np.random.default_rng(1)
    labels = np.array([True, False] * 500)
    logits = rng.normal(labels * 1.0, 1.0)
    # Nine more copies of each positive tell nothing new.
    more = np.concatenate([logits, *[logits[labels]] * 9])
    more_labels = np.concatenate([labels, *[labels[labels]] * 9])
    assert fit_platt(more, more_labels) == pytest.approx(
        fit_platt(logits, labels), abs=0.02
    )


@pytest.mark.parametrize("logit", [1e308, -1e308, math.inf, -math.inf, 800, -800])
def test_a_score_stays_within_its_range(logit):
    assert 0 <= sigmoid(logit) <= 1
    assert sigmoid(logit) == pytest.approx(float(logit > 0))


def test_platt_keeps_the_order_of_logits_that_mislead():
    np = pytest.importorskip("numpy")
    labels = np.array([True] * 30 + [False] * 30)
    for logits in (-1.0 * labels, 0.0 * labels, 1e-300 * labels):
        slope, offset = fit_platt(logits, labels)
        assert slope > 0
        assert math.isfinite(offset)


def test_folds_hold_groups_whole_and_labels_evenly():
    labels = [index % 3 == 0 for index in range(300)]
    groups = [index // 3 * 3 if index < 60 else index for index in range(300)]
    folds = assign_folds(labels, groups, folds=5, seed=0)
    by_group: dict[int, set[int]] = {}
    for group, fold in zip(groups, folds, strict=True):
        by_group.setdefault(group, set()).add(fold)
    assert all(len(chosen) == 1 for chosen in by_group.values())
    for fold in range(5):
        mine = [
            label for label, number in zip(labels, folds, strict=True) if number == fold
        ]
        assert 18 <= sum(mine) <= 22
        assert 38 <= len(mine) - sum(mine) <= 42


def test_texts_are_grouped_by_what_they_say():
    texts = ["Hello you", "hello, YOU!", "h3llo you", "hello them", "\U0001f600", "?"]
    assert group_texts(texts) == [0, 0, 0, 1, 2, 3]
