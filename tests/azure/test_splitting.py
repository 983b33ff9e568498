"""For any text: its parts cover it, none is too long, and how many is known before."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.providers.splitting import Cut

#: Texts with many boundaries, with none, and with characters beyond the first plane.
TEXTS = st.one_of(
    st.text(max_size=400),
    st.text(alphabet="ab \n.!。", max_size=400),
    st.text(alphabet="😀é\u200d ", max_size=400),
    st.lists(st.text(alphabet="abc", min_size=1, max_size=9), max_size=60).map(
        ". ".join
    ),
)
CUTS = st.tuples(
    st.integers(4, 60), st.integers(0, 29), st.integers(0, 30), st.just(0)
).map(lambda n: Cut(limit=n[0], overlap=min(n[1], (n[0] - 1) // 2), most=n[2]))


@given(TEXTS, CUTS)
def test_the_parts_cover_the_text_within_the_limit(text: str, cut: Cut) -> None:
    parts = cut.parts(text)
    assert (parts[0][0], parts[-1][1]) == (0, len(text))
    assert all(end - start <= cut.limit for start, end in parts)
    assert all(start < end for start, end in parts) or not text
    for (start, end), (following, later) in pairwise(parts):
        # No gap, at least the overlap that was promised, and every part is a step on.
        assert start < following <= end - cut.overlap
        assert end < later


@given(TEXTS, CUTS)
def test_spans_map_back(text: str, cut: Cut) -> None:
    """What is found at a place of a part stands at that place of the text."""
    for start, end in cut.parts(text):
        part = text[start:end]
        for at in range(0, len(part), 7):
            assert text[start + at] == part[at]


@given(TEXTS, CUTS)
def test_every_phrase_up_to_the_overlap_is_whole_in_a_part(text: str, cut: Cut) -> None:
    parts = cut.parts(text)
    size = cut.overlap
    for at in range(len(text) - size + 1):
        assert any(start <= at and at + size <= end for start, end in parts)


@given(TEXTS, CUTS)
def test_the_count_is_known_from_the_length(text: str, cut: Cut) -> None:
    assert len(cut.parts(text)) == cut.count(len(text))


@given(st.integers(0, 10**7), CUTS)
def test_no_smaller_count_would_do(length: int, cut: Cut) -> None:
    count = cut.count(length)
    room = cut.limit + (count - 1) * (cut.limit - cut.overlap)
    assert room >= length
    assert count == 1 or room - (cut.limit - cut.overlap) < length


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        # A paragraph before a sentence, a sentence before a word.
        ("x" * 80 + ".\n\nOne. two " + "y" * 40, ".\n\n"),
        ("x" * 80 + " One! Two three " + "y" * 40, "One! "),
        ("x" * 80 + " Two three " + "y" * 40, "three "),
        ("字" * 85 + "。" + "字" * 40, "。"),
        # Only in the last quarter, else parts would be short.
        ("One. " + "x" * 140, "x"),
    ],
)
def test_a_cut_is_made_at_a_natural_boundary(text: str, ends: str) -> None:
    (_, end), _ = Cut(limit=100).parts(text)
    assert text[:end].endswith(ends)
    assert end > 75


def test_what_is_left_over_becomes_overlap() -> None:
    text = "word " * 32  # 160 code points in two parts of 100.
    (_, end), (start, _) = Cut(limit=100, most=10).parts(text)
    assert (end, start) == (100, 90)
    assert Cut(limit=100, most=10).parts("x" * 200) == [(0, 100), (100, 200)]


def test_astral_characters_count_once() -> None:
    assert Cut(limit=10_000, overlap=500).count(len("😀" * 10_000)) == 1
    assert Cut(limit=10_000, overlap=500).count(len("😀" * 10_001)) == 2


def test_the_numbers_of_a_long_text() -> None:
    assert Cut(limit=10_000, overlap=500, most=500).count(25_000) == 3
    assert Cut(limit=1_000, most=100).count(25_000) == 25


@pytest.mark.parametrize("overlap", [-1, 50, 51, 100])
def test_an_overlap_that_gets_nowhere_is_refused(overlap: int) -> None:
    with pytest.raises(ValueError, match="half"):
        Cut(limit=100, overlap=overlap)
