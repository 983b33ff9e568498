"""Ten thousand texts that break naive code, through every path that reads them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from django_contentsafety.engine import api, harm
from django_contentsafety.engine.artifacts import dump, load
from django_contentsafety.engine.errors import EngineError
from django_contentsafety.engine.features import featurize
from django_contentsafety.engine.repeats import fold
from django_contentsafety.engine.samples import Sample

from .made_up import make_samples
from .tricky import ODD_TEXTS, PIECES

SEED = 20261122
# Of both, and of every script and kind of sign that has broken something before.
SCRIPTS = (
    "the quick fox kills",
    "\u0431\u044b\u0441\u0442\u0440\u0430\u044f \u043b\u0438\u0441\u0430",
    "\u0627\u0644\u062b\u0639\u0644\u0628 \u0627\u0644\u0633\u0631\u064a\u0639",
    "\u5feb\u901f\u7684\u72d0\u72f8\u8df3\u8fc7",
    "\u0924\u0947\u091c\u093c \u0932\u094b\u092e\u0921\u093c\u0940",
    "\u0e2b\u0e21\u0e32\u0e08\u0e34\u0e49\u0e07\u0e08\u0e2d\u0e01",
)


def make_odd(rng: random.Random) -> str:
    """Return a text of up to some hundred characters, with any code point in it."""
    kind = rng.randrange(4)
    if kind == 0:
        return "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randrange(20)))
    if kind == 1:
        return "".join(rng.choices(PIECES, k=rng.randrange(12)))
    if kind == 2:
        return rng.choice(PIECES) * rng.randrange(1, 200)
    words = rng.choice(SCRIPTS).split() + rng.choices(PIECES, k=3)
    rng.shuffle(words)
    return " ".join(words)


def odd_texts(count: int) -> list[str]:
    rng = random.Random(SEED)  # noqa: S311 - made-up texts
    texts = [*ODD_TEXTS.values()]
    return texts + [make_odd(rng) for _ in range(count - len(texts))]


def test_ten_thousand_odd_texts_have_finite_features() -> None:
    texts = odd_texts(10_000)
    for start in range(0, len(texts), 500):
        some = [fold(text[:20_000]).text for text in texts[start : start + 500]]
        found = featurize(some)
        assert len(found) == len(some)
        assert np.isfinite(found.values).all()
        assert np.isfinite(found.dense).all()
        assert ((found.indices >= 0) & (found.indices < 131_072)).all()


def test_odd_texts_are_scored_and_explained(trained) -> None:  # type: ignore[no-untyped-def]
    texts = odd_texts(10_000)
    category = dump(trained.head, name="made-up", version=1)
    for text, row in zip(texts, api.score(texts, categories=[category]), strict=True):
        assert [*row["scores"]] == [*harm.CATEGORIES, "made-up"]
        # NaN compares with nothing.
        assert all(0 <= score <= 1 for score in row["scores"].values())
        assert all(0 <= severity <= 7 for severity in row["severities"].values())
        assert isinstance(row["language_supported"], bool)
        for span in row["spans"]:
            assert 0 <= span["start"] < span["end"] <= len(text)
            assert abs(span["weight"]) < 1e6


def test_odd_texts_are_explained_below_every_threshold(trained) -> None:  # type: ignore[no-untyped-def]
    for text in odd_texts(1_000):
        for token in trained.head.explain(text):
            assert 0 <= token.start < token.end <= len(text)
            assert np.isfinite(token.weight)


@pytest.mark.parametrize("seed", range(3))
def test_odd_samples_make_a_category_or_a_clear_refusal(seed: int) -> None:
    """Training is slow: a few sets of samples, each half odd."""
    rng = random.Random(seed)  # noqa: S311 - made-up texts
    samples = make_samples(25, 25 if seed else 0, seed=seed) + [
        Sample(text=make_odd(rng) or "-", is_positive=rng.random() < 0.5)
        for _ in range(40)
    ]
    rng.shuffle(samples)
    try:
        found = api.train(samples, name="odd")
    except EngineError as error:
        assert str(error)
        return
    assert 0 <= load(found.artifact).score(["zugmat"])[0] <= 1
    for value in (found.card.metrics.f1, found.card.metrics.average_precision):
        assert value is None or 0 <= value <= 1


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_category_trains_in_any_script(script: str) -> None:
    words = script.split()
    rng = random.Random(SEED)  # noqa: S311 - made-up texts
    samples = [
        Sample(text=f"{words[0]} {rng.random():.6f} {words[-1]}", is_positive=True)
        for _ in range(25)
    ] + [Sample(text=f"{one.text}", is_positive=False) for one in make_samples(0, 25)]
    found = api.train(samples, name="script")
    score, other = load(found.artifact).score([script, "belder flago"])
    assert 0 <= other < score <= 1
