"""The program that measures the engine: what it hides and what it counts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import (
    engine,
    engine_figures,
    engine_tier_figures,
    engine_tiers,
    engine_topics,
)
from benchmarks.engine_attacks import ATTACKS, HELD_OUT, attacked
from benchmarks.engine_scores import any_harm, precision
from benchmarks.engine_topic_texts import Topic
from django_contentsafety.engine import background, classifier
from django_contentsafety.engine.background import load_background
from django_contentsafety.engine.normalize import normalize
from tools.train_harm.rows import CATEGORIES, NONE, Row

TEXT = "The harbor was quiet and everybody slept until the morning."


@pytest.mark.parametrize("attack", (*ATTACKS, *HELD_OUT))
def test_an_attack_changes_a_text_and_the_same_way_each_time(attack) -> None:  # type: ignore[no-untyped-def]
    texts = [TEXT, TEXT.upper(), "", "a"]
    first = attacked(attack, texts)
    assert first == attacked(attack, texts)
    assert first[0] != TEXT
    assert first[2] == ""


@pytest.mark.parametrize("name", ["zero_width", "homoglyphs", "full_width"])
def test_the_normalizer_takes_these_back(name: str) -> None:
    attack = next(a for a in (*ATTACKS, *HELD_OUT) if a.__name__ == name)
    assert normalize(attacked(attack, [TEXT])[0]).text == normalize(TEXT).text


def rows() -> list[Row]:
    bad = [Row(f"bad {n}", "edos", {**NONE, "Hate": True}) for n in range(30)]
    good = [Row(f"good {n}", "sms", NONE, benign=True) for n in range(70)]
    return [*bad, *good]


def test_average_precision_is_that_of_a_source_beside_ordinary_texts() -> None:
    logits = np.concatenate([np.ones(30), np.zeros(70)])
    found = precision(rows(), {"Hate": logits}, ["Hate"])
    (of,) = found["Hate"].values()
    assert of == {"positives": 30, "texts": 100, "average_precision": 1.0}
    (worst,) = precision(rows(), {"Hate": -logits}, ["Hate"])["Hate"].values()
    assert worst["average_precision"] == 0.3


def test_any_harm_takes_the_highest_score_and_only_what_is_labeled() -> None:
    surge = [Row(f"bad {n}", "surge", {"Harassment": True}) for n in range(30)]
    surge += [Row(f"good {n}", "surge", NONE, benign=True) for n in range(60)]
    surge += [Row("unknown", "surge", {"Hate": False})]
    logits = np.concatenate([np.ones(30), np.zeros(60), [9.0]])
    scores = {c: logits if c == "Harassment" else 0 * logits for c in CATEGORIES}
    found = any_harm(surge, scores, calibrated=False, sources=("surge",))
    assert found["surge"] == {"positives": 30, "texts": 90, "average_precision": 1.0}


def test_a_sample_is_the_same_each_time_and_takes_of_every_source() -> None:
    many = [*rows(), *(Row(f"own {n}", "own:x", NONE) for n in range(90))]
    many += [Row(f"rare {n}", "catqa", NONE) for n in range(5)]
    found = engine.sample(many, 60)
    assert found == engine.sample(many[::-1], 60)
    counts = Counter(row.source for row in found)
    assert counts == {"edos": 4, "sms": 4, "catqa": 4, "own:x": 20}


def test_the_tiers_report_makes_its_table() -> None:
    file = Path(engine.__file__).parents[1] / "reports" / "engine_tiers.json"
    report = json.loads(file.read_text(encoding="utf-8"))
    head, found = engine_tier_figures.tiers(report)
    assert head == ["", "fast", "minilm"]
    assert all(len(row) == 3 for row in found)
    assert len(engine_tiers.lines(report)) > 40


@pytest.mark.parametrize("name", engine_figures.TABLES)
def test_the_reports_that_are_kept_make_every_table(name: str) -> None:
    report = kept(name.split("-")[0])
    table, when = engine_figures.TABLES[name]
    head, found = table(report)
    assert found
    assert all(len(row) == len(head) for row in found)
    assert report["commit"] in when(report)


def kept(program: str) -> dict[str, Any]:
    file = Path(engine.__file__).parents[1] / "reports" / f"{program}.json"
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return report


def test_the_reports_that_are_kept_are_printed_whole() -> None:
    assert len(engine.lines(kept("engine"))) > 20
    assert len(engine_topics.lines(kept("engine_topics"))) > 30


def topic() -> Topic:
    return Topic(
        "made up",
        "sms",
        tuple(f"bad {n}" for n in range(80)),
        tuple(f"near {n}" for n in range(900)),
    )


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        engine_topics,
        "ordinary_texts",
        lambda folder, source, topic: [f"{source} {n}" for n in range(300)],
    )


@pytest.mark.usefixtures("far")
def test_a_draw_is_the_same_each_time_and_tests_no_sample() -> None:
    found = engine_topics.make_draw(topic(), Path(), 1, 50)
    assert found == engine_topics.make_draw(topic(), Path(), 1, 50)
    assert found.test != engine_topics.make_draw(topic(), Path(), 2, 50).test
    samples = {*found.positives, *found.negatives}
    assert len(samples) == 100
    assert len({*found.test}) == len(found.test) == 30 + 500 + 500
    assert not samples & {*found.test}
    assert Counter(found.kinds) == {"positive": 30, "near": 500, "far": 500}


@pytest.mark.usefixtures("far")
def test_the_background_is_denied_what_the_test_is_made_of() -> None:
    draw = engine_topics.make_draw(topic(), Path(), 1, 50)
    used = {
        text.split()[0]
        for text, kind in zip(draw.test, draw.kinds, strict=True)
        if kind == "far"
    }
    assert draw.denied == {"sms", *used}
    assert len(used) == 3
    whole = load_background()
    with engine_topics.without(draw.denied):
        kept = classifier.load_background()
    assert classifier.load_background is load_background
    names = {background.SOURCES[number] for number in kept.sources}
    assert names == {*background.SOURCES} - draw.denied
    for row in (0, len(kept.features) - 1):
        (number,) = np.flatnonzero(
            (whole.features.dense == kept.features.dense[row]).all(axis=1)
        )[:1]
        for one, other in zip(
            kept.features.row(row), whole.features.row(int(number)), strict=True
        ):
            assert np.array_equal(one, other)


def test_a_test_is_counted_as_it_is_and_as_if_labels_were_even() -> None:
    kinds = ["positive"] * 2 + ["near"] * 4 + ["far"] * 4
    scores = np.array([0.9, 0.4, 0.8, 0.1, 0.1, 0.1, 0.6, 0.6, 0.0, 0.0])
    found = engine_topics.figures(kinds, scores)
    assert found["recall"] == 0.5
    assert found["near"] == 0.25
    assert found["far"] == 0.5
    # One hit, three false alarms, one miss.
    assert found["f1"] == pytest.approx(2 / (2 + 3 + 1))
    # As if there were two near ones, half of one of them flagged.
    assert found["f1_even"] == pytest.approx(2 / (2 + 0.5 + 1))
    assert found["roc_auc"] == pytest.approx(7 / 8)


def test_a_mean_is_that_of_the_topics_and_its_spread_that_of_draws() -> None:
    runs = [
        {"way": "both", "topic": topic, "seed": seed, "f1": f1}
        for topic, seed, f1 in (
            ("a", 1, 0.2),
            ("b", 1, 0.4),
            ("a", 2, 0.6),
            ("b", 2, 0.8),
        )
    ]
    of = engine_topics.summary(runs)["ways"]["both"]
    assert of["mean"] == {"f1": 0.5}
    assert of["spread"] == {"f1": 0.2}
    assert of["topics"] == {"a": {"f1": 0.4}, "b": {"f1": 0.6}}
