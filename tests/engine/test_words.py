from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from zlib import crc32

import numpy as np
from hypothesis import example, given, strategies as st

from django_contentsafety.engine.embeddings import load_embeddings
from django_contentsafety.engine.words import (
    BUCKETS,
    pair_up,
    read_words,
    spread_out,
)

from .tricky import ODD_TEXTS, any_text

chunks = st.lists(
    any_text.map(lambda text: "".join(text.split())[:60]).filter(bool), max_size=6
)


def bucket(text):
    return crc32(text.encode("utf-8", "surrogatepass")) % BUCKETS


def one_by_one(chunk):
    """The buckets of a run of characters, each hashed by itself."""
    padded = f" {chunk} "
    words = re.findall(r"[^\W_]+", chunk)
    return Counter(
        [
            BUCKETS + bucket(padded[start : start + size])
            for size in (2, 3, 4, 5)
            for start in range(len(padded) - size + 1)
        ]
        + [bucket(word) for word in words]
        + [bucket(f"{left} {right}") for left, right in pairwise(words)]
    )


@given(chunks)
@example(["a", "ab", "don't", "--", "a-b_c.d", "\u00e9t\u00e9", "a" * 90])
@example([text[:200].replace(" ", "") or "x" for text in ODD_TEXTS.values()])
def test_hashes_made_at_once_are_those_made_one_by_one(chunks):
    chunks = ["".join(chunk.split()) or "x" for chunk in chunks]
    words = read_words(chunks)
    assert len(words) == len(chunks)
    assert words.starts[0] == 0
    assert words.starts[-1] == len(words.grams)
    table = load_embeddings().wordpiece
    for number, chunk in enumerate(chunks):
        mine = words.grams[words.starts[number] : words.starts[number + 1]]
        assert Counter(mine.tolist()) == one_by_one(chunk)
        assert [*words.pieces[number]] == table.ids(chunk)


def test_neighbors_are_paired_by_the_words_that_touch():
    words = read_words(["one-two", "three"])
    assert pair_up(words, [0, 1, 0]) == [bucket("two three"), bucket("three one")]
    assert pair_up(words, [1]) == []
    (sign,) = read_words(["--"]).firsts
    assert sign == b""


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 5)), max_size=8))
def test_places_are_spread_out(parts):
    starts, sizes = (
        np.array([part[side] for part in parts], dtype=np.int64) for side in (0, 1)
    )
    wanted = [start + step for start, size in parts for step in range(size)]
    assert spread_out(starts, sizes).tolist() == wanted
