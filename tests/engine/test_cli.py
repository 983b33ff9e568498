from __future__ import annotations

import json
import subprocess
import sys

import pytest

from django_contentsafety import engine
from django_contentsafety.engine import harm
from django_contentsafety.engine.__main__ import main
from django_contentsafety.engine.artifacts import dump
from django_contentsafety.engine.errors import ArtifactError, EngineError
from django_contentsafety.engine.samples import write_jsonl

from .made_up import make_samples


@pytest.fixture(scope="module")
def category(trained):
    return dump(trained.head, name="made-up", version=1)


def run(*words, text=""):
    return subprocess.run(
        [sys.executable, "-m", "django_contentsafety.engine", *map(str, words)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_category_is_trained_in_a_shell(tmp_path, capsys):
    samples = tmp_path / "samples.jsonl"
    samples.write_bytes(write_jsonl(make_samples(20, 20)))
    output = tmp_path / "category.bin"
    assert main(["train", str(samples), "--name", "mine", "-o", str(output)]) == 0
    said = capsys.readouterr()
    assert "mine: 20 positive and 20 negative samples" in said.out
    assert "f1" in said.out
    assert said.err == ""
    kept = output.read_bytes()
    words = ["train", str(samples), "--name", "mine", "-o", str(output), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["positives"] == 20
    assert output.read_bytes() == kept


def test_texts_are_scored_in_order_and_no_training_code_is_loaded(category, tmp_path):
    path = tmp_path / "category.bin"
    path.write_bytes(category)
    texts = [sample.text for sample in make_samples(3, 3, seed=6)] + [
        "",
        "Bonjour \ud800",
    ]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    done = run("score", "--category", path, text=lines)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(texts)
    for row, text, expected in zip(
        rows, texts, engine.score(texts, categories=[category]), strict=True
    ):
        assert row == expected
        assert set(row) == {"scores", "severities", "language_supported", "spans"}
        for span in row["spans"]:
            assert 0 <= span["start"] < span["end"] <= len(text)
    assert [row["scores"]["made-up"] > 0.5 for row in rows[:6]] == [True] * 3 + [
        False
    ] * 3


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"text": 1}', "[" * 100_000])
def test_a_line_that_is_no_text_is_named(line):
    done = run("score", text='{"text": "x"}\n\n' + line + "\n")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: Line 3: The line is no JSON object with a text."
    )
    assert "Traceback" not in done.stderr


def test_what_cannot_be_used_is_said(tmp_path, capsys):
    path = tmp_path / "samples.jsonl"
    words = ["train", str(path), "--name", "x", "-o", str(tmp_path / "out")]
    assert main(words) == 1
    assert "samples.jsonl" in capsys.readouterr().err
    path.write_text('{"text": "a"}\n{"text": 1}\n')
    assert main(words) == 1
    assert "Line 2" in capsys.readouterr().err
    path.write_text('{"text": "a"}\n')
    assert main(words) == 1
    assert "at least 20 are needed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_built_in_categories_are_always_answered(category):
    harmful, harmless, foreign = engine.score(
        [
            "Send me nude pictures, I am horny.",
            "The soup was warm.",
            "die neue Version ist nicht gut und auch zu teuer",
        ]
    )
    for row in (harmful, harmless, foreign):
        assert list(row["scores"]) == list(row["severities"]) == [*harm.CATEGORIES]
        assert all(0 <= score <= 1 for score in row["scores"].values())
    assert harmful["severities"]["Sexual"] >= harm.DETECTED_FROM
    assert "Sexual" in {span["category"] for span in harmful["spans"]}
    assert not any(harmless["severities"].values()) and not harmless["spans"]
    assert (foreign["language_supported"], foreign["spans"]) == (False, [])
    (both,) = engine.score(["The soup was warm."], categories=[category])
    assert [*both["scores"]] == [*harm.CATEGORIES, "made-up"]
    assert both["severities"] == harmless["severities"]


def test_no_category_takes_a_built_in_ones_name(trained):
    taken = dump(trained.head, name="Hate", version=1)
    with pytest.raises(EngineError, match="built-in"):
        engine.score(["x"], categories=[taken])


def test_categories_are_read_before_any_text(category):
    with pytest.raises(ArtifactError):
        engine.score(["x"], categories=[b"no category"])
    with pytest.raises(EngineError, match="named made-up"):
        engine.score(["x"], categories=[category, category])


def test_texts_are_read_as_they_are_asked_for(category):
    asked = []

    def texts():
        for number in range(10):
            asked.append(number)
            yield "mona tina"

    answers = engine.score(texts(), categories=[category], at_once=1)
    next(answers)
    assert asked == [0]
