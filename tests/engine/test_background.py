"""The ordinary texts: what is kept of them is what features make of a text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from django_contentsafety.engine import background
from django_contentsafety.engine.background import (
    DENSE_STEPS,
    SOURCES,
    Background,
    load_background,
)
from django_contentsafety.engine.features import (
    BUCKETS,
    DIMENSIONS,
    WIDTH,
    Features,
    featurize,
)
from django_contentsafety.engine.normalize import normalize
from django_contentsafety.engine.rarity import load_rarity
from tools.background import __main__ as tool

TEXTS = [
    "The ferry leaves at nine, and the next ferry leaves at ten.",
    "left-right, left-right!",
    "?!",
    "Gr\u00fc\u00dfe aus K\u00f6ln",
    "tea tea tea tea tea tea tea tea",
]


def sparse(features: Features, row: int) -> np.ndarray:
    indices, values = features.row(row)
    return np.bincount(indices, weights=values, minlength=DIMENSIONS)


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Background]:
    """The background that the tool makes of `TEXTS`, read by the engine."""
    (tmp_path / "weights").mkdir()
    texts = [normalize(text).text for text in TEXTS]
    with monkeypatch.context() as patch:
        # Bare counts are stored: for the tool all is equally rare.
        patch.setattr(tool, "WEIGHTS", tmp_path / "weights")
        rarity = load_rarity()
        bare = featurize(texts)
        flat = Features(
            starts=bare.starts,
            indices=bare.indices,
            values=(bare.values / rarity[bare.indices]).astype(np.float32),
            dense=bare.dense,
        )
        tool._write(flat, np.array([0, 1, 2, 3, 4], dtype=np.uint8))
        patch.setattr(background, "files", lambda package: tmp_path)
        load_background.cache_clear()
        yield load_background()
    load_background.cache_clear()


def test_what_is_stored_comes_back_as_the_features_of_the_texts(
    stored: Background,
) -> None:
    wanted = featurize([normalize(text).text for text in TEXTS])
    assert len(stored.features) == len(TEXTS)
    for row in range(len(TEXTS)):
        found, own = sparse(stored.features, row), sparse(wanted, row)
        # Here what a bucket has in all its places is of unit length: the direction is
        # the same, the length is not where n-grams recur.
        own /= np.linalg.norm(own)
        assert np.allclose(found, own, atol=0.01), TEXTS[row]
        # Half a step, and what rounding changes in the length.
        near = 0.65 / DENSE_STEPS
        assert np.allclose(stored.features.dense[row], wanted.dense[row], atol=near)
    assert stored.sources.tolist() == [0, 1, 2, 3, 4]


def test_the_one_that_ships_has_many_texts_of_each_source() -> None:
    found = load_background()
    assert len(found.sources) == len(found.features) >= 1_000
    counts = np.bincount(found.sources, minlength=len(SOURCES))
    assert len(counts) == len(SOURCES)
    # None outweighs the others.
    assert counts.min() > 0
    assert counts.max() < 0.5 * len(found.sources)


def test_its_rows_are_such_as_features_make() -> None:
    features = load_background().features
    rows = len(features)
    assert features.dense.shape == (rows, WIDTH)
    assert (features.indices.dtype, features.values.dtype) == (np.int32, np.float32)
    assert features.starts[0] == 0
    assert features.starts[-1] == len(features.indices) == len(features.values)
    lengths = np.linalg.norm(features.dense, axis=1)
    assert lengths[lengths > 0] == pytest.approx(np.ones((lengths > 0).sum()), abs=1e-5)
    assert (lengths > 0).mean() > 0.99
    for row in range(rows):
        indices, values = features.row(row)
        assert 0 <= indices.min() < BUCKETS <= indices.max() < DIMENSIONS
        assert values.min() > 0
        # A bucket stands once where bare counts were summed, so this is unit length.
        assert np.linalg.norm(values) == pytest.approx(1, abs=1e-5)
        # More characters' n-grams than words, in any text of words.
        assert (indices >= BUCKETS).sum() > (indices < BUCKETS).sum()


def test_common_words_are_in_many_rows_and_each_row_is_a_text_of_its_own() -> None:
    features = load_background().features
    the = int(featurize(["the"]).row(0)[0].min())
    assert the < BUCKETS
    holding = sum(the in features.row(row)[0] for row in range(len(features)))
    assert 0.2 < holding / len(features) < 0.8
    near = features.dense @ features.dense.T
    np.fill_diagonal(near, 0)
    assert np.median(near.max(axis=1)) < 0.98


def test_it_is_read_once() -> None:
    assert load_background() is load_background()
