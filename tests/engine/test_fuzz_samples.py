"""Samples that break naive code, in Python and in a shell."""

from __future__ import annotations

import io
import json
import math
import random
from pathlib import Path

import pytest

from django_contentsafety.engine import api, artifacts
from django_contentsafety.engine.__main__ import main
from django_contentsafety.engine.classifier import TrainedCategory
from django_contentsafety.engine.errors import EngineError
from django_contentsafety.engine.samples import Sample

from .made_up import make_samples
from .test_fuzz import SCRIPTS, odd_texts
from .tricky import ODD_TEXTS

SEED = 41_881
TRAINS, REFUSED = "trains", "refused"
#: What makes a NaN of a mean, a norm or a logarithm; and what no page shows.
NAN_MAKERS = {
    name: ODD_TEXTS[name]
    for name in ("space", "emoji", "lone surrogate", "override", "nul", "marks")
} | {"one letter": ODD_TEXTS["one letter"][:20_000]}


def labeled(texts: list[str], label: bool) -> list[Sample]:
    return [Sample(text=text, is_positive=label) for text in texts]


def in_scripts(count: int, label: bool) -> list[Sample]:
    """Texts of all scripts in turn, the first word told apart by the label."""
    rng = random.Random(f"{SEED} {label}")  # noqa: S311 - made-up samples
    texts = []
    for number in range(count):
        words = SCRIPTS[number % len(SCRIPTS)].split()
        marked = words[0] * (1 + label)
        texts.append(f"{marked} {words[-1]} {rng.randrange(10**6)}")
    return labeled(texts, label)


def sets() -> dict[str, tuple[list[Sample], str]]:
    """Sets of samples, and what may become of them."""
    good = make_samples(25, 25)
    positives, negatives = good[:25], good[25:]
    makers = [*NAN_MAKERS.values()]
    signs = [chr(0x1F600 + number) for number in range(60)]
    lone = [chr(0xD800 + number) * (number + 1) for number in range(60)]
    return {
        "odd positives": ([*good, *labeled(makers, True)], TRAINS),
        "odd negatives": ([*good, *labeled(makers, False)], TRAINS),
        "emoji alone": (labeled(signs[:30], True) + labeled(signs[30:], False), TRAINS),
        "lone surrogates alone": (
            labeled(lone[:30], True) + labeled(lone[30:], False),
            TRAINS,
        ),
        "overrides in each": (
            [
                Sample(text=f"\u202e{one.text}\u202c", is_positive=one.is_positive)
                for one in good
            ],
            TRAINS,
        ),
        "a class": (positives, TRAINS),
        "the other class": (negatives, REFUSED),
        "identical": (labeled(["same"] * 60, True), REFUSED),
        "identical but for signs": (
            labeled([f"same{'.' * number}" for number in range(60)], True),
            REFUSED,
        ),
        "contradictory": (
            [*good, Sample(text=positives[0].text, is_positive=False)],
            REFUSED,
        ),
        # Every text with both labels, in other letters: no error, and nothing to learn.
        "contradictory but for case": (
            [*positives, *labeled([one.text.upper() for one in positives], False)],
            TRAINS,
        ),
        "six scripts": (in_scripts(30, True) + in_scripts(30, False), TRAINS),
        "nothing": ([], REFUSED),
    }


SETS = sets()


def assert_finite(value: object) -> None:
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for one in value:
            assert_finite(one)
    if isinstance(value, float):
        assert math.isfinite(value)


@pytest.mark.parametrize("name", SETS)
def test_samples_make_a_category_without_a_nan_or_are_refused(name: str) -> None:
    samples, wanted = SETS[name]
    if wanted == REFUSED:
        with pytest.raises(EngineError) as caught:
            api.train(samples, name="odd")
        assert caught.value.code
        assert caught.value.remedy
        return
    found = api.train(samples, name="odd")
    card = found.card.as_dict()
    assert_finite(card)
    json.dumps(card, allow_nan=False)
    assert len(card["scores"]) == len(samples)
    assert all(0 <= score <= 1 for score in card["scores"])
    texts = [*NAN_MAKERS.values(), "", *SCRIPTS, *(one.text for one in samples)]
    head = artifacts.load(found.artifact)
    assert all(0 <= score <= 1 for score in head.score(texts))
    for text in texts[:20]:
        assert all(math.isfinite(token.weight) for token in head.explain(text))


def test_what_cannot_be_learned_is_not_claimed() -> None:
    samples, _ = SETS["contradictory but for case"]
    card = api.train(samples, name="odd").card
    assert card.metrics.roc_auc is not None
    assert card.metrics.roc_auc < 0.6
    assert any("hardly told apart" in warning for warning in card.warnings)


def test_six_scripts_are_learned_together() -> None:
    samples, _ = SETS["six scripts"]
    head = artifacts.load(api.train(samples, name="odd").artifact)
    for script in SCRIPTS:
        first, last = script.split()[0], script.split()[-1]
        belongs, not_so = head.score([f"{first * 2} {last} 7", f"{first} {last} 7"])
        assert belongs > not_so, script


@pytest.mark.parametrize(
    "name",
    [
        "odd positives",
        "six scripts",
        "a class",
        "identical",
        "contradictory",
        "nothing",
    ],
)
def test_a_shell_says_what_is_wrong_with_samples_in_a_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples, wanted = SETS[name]
    file, output = tmp_path / "samples.jsonl", tmp_path / "category.bin"
    lines = [{"text": one.text, "isPositive": one.is_positive} for one in samples]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ["train", str(file), "--name", "odd", "-o", str(output), "--json"]
    status = main(words)
    said = capsys.readouterr()
    if status == 0:
        assert wanted == TRAINS
        assert_finite(json.loads(said.out))
        assert artifacts.describe(output.read_bytes())["name"] == "odd"
    else:
        assert status == 1
        # Some texts cannot even be samples; the parser says which.
        assert said.err.startswith("error: ")
        assert "Traceback" not in said.err
        assert not output.exists()
    if wanted == REFUSED:
        assert status == 1


def test_a_shell_scores_odd_texts_line_by_line(
    trained: TrainedCategory,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    category = tmp_path / "category.bin"
    category.write_bytes(artifacts.dump(trained.head, name="made-up", version=1))
    texts = odd_texts(300)
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    source = io.TextIOWrapper(io.BytesIO(lines.encode()))
    monkeypatch.setattr("sys.stdin", source)
    assert main(["score", "--category", str(category)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == len(texts)
    for text, line in zip(texts, rows, strict=True):
        row = json.loads(line)
        assert all(0 <= score <= 1 for score in row["scores"].values())
        assert all(0 <= s["start"] < s["end"] <= len(text) for s in row["spans"])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        "[]",
        "{}",
        '{"text": 1}',
        '{"text": NaN}',
        '"text"',
        "\x00",
        "[" * 9_999,
    ],
)
def test_a_shell_refuses_a_line_that_is_no_text(
    line: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = io.TextIOWrapper(io.BytesIO(f'{{"text": "a"}}\n{line}\n'.encode()))
    monkeypatch.setattr("sys.stdin", source)
    status = main(["score"])
    said = capsys.readouterr()
    # A blank line is no text, and no error.
    assert status == (0 if not line else 1)
    assert ("error: " in said.err) is bool(line)
    assert "Traceback" not in said.err
