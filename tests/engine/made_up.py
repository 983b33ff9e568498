"""Samples from two vocabularies that share half their words. Nobody wrote them."""

from __future__ import annotations

import random

from django_contentsafety.engine.samples import Sample


def _words(firsts: str, lasts: str) -> list[str]:
    return [first + last for first in firsts.split() for last in lasts.split()]


SHARED = _words("mo ti ra", "na lo ke")
POSITIVE = _words("zug vak xor", "mat rip")
NEGATIVE = _words("bel sun fli", "der go")


def make_text(rng: random.Random, words: list[str], marked: int = 3) -> str:
    chosen = rng.choices(words, k=marked) + rng.choices(SHARED, k=7)
    rng.shuffle(chosen)
    return " ".join(chosen)


def make_samples(positives: int, negatives: int, seed: int = 0) -> list[Sample]:
    rng = random.Random(seed)  # noqa: S311 - made-up samples
    return [
        Sample(text=make_text(rng, POSITIVE), is_positive=True)
        for _ in range(positives)
    ] + [
        Sample(text=make_text(rng, NEGATIVE), is_positive=False)
        for _ in range(negatives)
    ]
