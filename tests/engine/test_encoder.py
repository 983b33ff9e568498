"""The vectors of the minilm tier: what the model says, for any text, alone or not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from django_contentsafety.engine import encoder, minilm, scoring
from django_contentsafety.engine.repeats import fold

from .tricky import ODD_TEXTS, any_text

#: Sentences of ours, and their vectors as tools/distill's encoder has them: the
#: published weights, in double precision.
VECTORS = [
    json.loads(line)
    for line in Path(__file__).with_name("vectors.jsonl").read_text().splitlines()
]
LONG = "The harbor was quiet, and everybody slept until the morning came. " * 30


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("number", range(len(VECTORS)))
def test_a_vector_is_the_models_but_for_the_rounding_of_its_weights(
    number: int,
) -> None:
    vector = VECTORS[number]
    found = encoder.encode([vector["text"]])[0]
    assert float(found @ unit(np.array(vector["vector"]))) > 0.999


def test_what_means_the_same_lies_nearer_than_what_shares_words() -> None:
    asked, same, other = encoder.encode(
        ["How do I end my own life?", "Ways to commit suicide", "How do I end my call?"]
    )
    assert asked @ same > asked @ other


@given(st.lists(any_text, max_size=4))
@settings(deadline=None, max_examples=40)
def test_many_texts_have_the_vectors_that_each_has_alone(texts: list[str]) -> None:
    together = encoder.encode(texts)
    assert together.shape == (len(texts), 384)
    for text, vector in zip(texts, together, strict=True):
        assert np.allclose(vector, encoder.encode([text])[0], atol=1e-5)


@given(any_text)
@settings(deadline=None, max_examples=40)
def test_a_vector_has_length_one_or_none(text: str) -> None:
    (vector,) = encoder.encode([text])
    length = float(np.linalg.norm(vector))
    assert length == 0 or abs(length - 1) < 1e-5


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_texts_have_finite_vectors(name: str) -> None:
    reading = scoring.read([ODD_TEXTS[name]], "minilm")
    assert np.isfinite(reading.features.dense).all()
    assert reading.features.dense.shape == (len(reading.parts[0]), 384)


def test_no_texts_need_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "load_session", None)
    assert encoder.encode([]).shape == (0, 384)
    assert not encoder.encode(["", " \n"]).any()


@pytest.mark.parametrize("count", [1, 125, 126, 127, 252, 253, 504])
def test_slices_hold_every_piece_once_and_are_as_even_as_can_be(count: int) -> None:
    pieces = list(range(count))
    slices = encoder._slices(pieces)
    sizes = [len(one) for one in slices]
    assert [piece for one in slices for piece in one] == pieces
    assert max(sizes) <= encoder.SLICE
    assert max(sizes) - min(sizes) <= 1
    assert len(slices) == -(-count // encoder.SLICE)


def test_a_long_text_is_read_to_its_end_and_not_beyond_what_is_said() -> None:
    body = "rain " * 300
    assert not np.allclose(*encoder.encode([body + "knife", body + "flower"]))
    full = "rain " * encoder.MAX_PIECES
    assert np.array_equal(*encoder.encode([full + "knife", full + "flower"]))


def test_a_whole_is_what_its_windows_say_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0
    run = encoder._read

    def read(slices):  # type: ignore[no-untyped-def]
        nonlocal asked
        asked += len(slices)
        return run(slices)

    monkeypatch.setattr(encoder, "_read", read)
    reading = scoring.read([LONG, "short"], "minilm")
    parts, _ = reading.parts
    assert len(parts) > 3
    # No window is read twice, nor the whole besides.
    assert asked == len(parts) - 1 + 1
    whole, *windows = reading.features.dense[: len(parts)]
    assert float(whole @ unit(np.sum(windows, axis=0))) > 0.99
    (alone,) = encoder.encode([fold(LONG).text])
    assert float(whole @ alone) > 0.95


@given(any_text)
@settings(deadline=None, max_examples=40)
def test_what_words_add_makes_the_whole(text: str) -> None:
    weights = np.random.default_rng(3).normal(size=384).astype(np.float32)
    folded = fold(text).text
    found = encoder.shares(folded.split(), weights)
    assert len(found) == len(folded.split())
    assert sum(found) == pytest.approx(
        float(encoder.encode([folded])[0] @ weights), abs=1e-4
    )


def test_heads_that_explain_a_text_share_one_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chunks = ["a", "text", "that", "is", "explained", "by", "two", "heads"]
    one, other = np.random.default_rng(4).normal(size=(2, 384)).astype(np.float32)
    first = encoder.shares(chunks, one)
    monkeypatch.setattr(encoder, "load_session", None)
    assert encoder.shares(chunks, one) == first
    assert encoder.shares(chunks, other) != first


def test_a_batch_holds_no_more_than_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    session = minilm.load_session()

    class Watched:
        def run(self, names, given):  # type: ignore[no-untyped-def]
            shapes.append(given["input_ids"].shape)
            return session.run(names, given)

    monkeypatch.setattr(encoder, "load_session", Watched)
    words = ["rain " * length for length in (*range(1, 60), *[126] * 20)]
    encoder.encode(words)
    assert sum(rows for rows, _ in shapes) == len(words)
    assert len(shapes) < 8
    assert all(rows * width <= 2048 for rows, width in shapes)
