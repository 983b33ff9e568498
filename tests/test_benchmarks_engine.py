"""The program that measures the engine: what it hides and what it counts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks import engine, engine_figures, engine_tier_figures, engine_tiers
from benchmarks.engine_attacks import ATTACKS, HELD_OUT, attacked
from benchmarks.engine_scores import any_harm, precision
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


def test_the_report_that_is_kept_makes_every_table() -> None:
    file = Path(engine.__file__).parents[1] / "reports" / "engine.json"
    report = json.loads(file.read_text(encoding="utf-8"))
    for make in ("precision", "identity", "hidden", "cost"):
        head, found = getattr(engine_figures, make)(report)
        assert found
        assert all(len(row) == len(head) for row in found), make
    assert len(engine.lines(report)) > 20
