from __future__ import annotations

import pytest
from hypothesis import given

from django_contentsafety.engine.normalize import normalize
from django_contentsafety.engine.repeats import fold

from .tricky import ODD_TEXTS, any_text


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("kiiill", "kill"),
        ("killlleeerrr", "killer"),
        ("goood", "good"),
        ("Sooo", "so"),
        ("I aaam hoooorny", "i am horny"),
        ("good feeling", "good feeling"),
        ("xaaaq", "xaq"),  # no such word
        ("aaabbbcccdddeee", "abcde"),
        ("\u6b7b\u6b7b\u6b7b", "\u6b7b\u6b7b\u6b7b"),
        ("", ""),
    ],
)
def test_repeats_are_read_as_a_word(text, folded):
    assert fold(text).text == folded


def test_a_settled_letter_stands_for_its_whole_run():
    folded = fold("so kiiiill!")
    start = folded.text.index("kill")
    assert folded.span(start, start + 4) == (3, 10)
    assert folded.span(start + 1, start + 2) == (4, 8)


@given(any_text)
def test_places_rise_and_lie_in_the_text(text):
    folded = fold(text)
    assert len(folded.offsets) == len(folded.ends) == len(folded.text)
    assert list(folded.offsets) == sorted(folded.offsets)
    assert list(folded.ends) == sorted(folded.ends)
    for start, end in zip(folded.offsets, folded.ends, strict=True):
        assert 0 <= start < end <= len(text)


@given(any_text)
def test_only_repeats_are_changed(text):
    normalized = normalize(text)
    folded = fold(text)
    if not normalized.squeezed:
        assert folded.text == normalized.text
    gone = len(normalized.text) - len(folded.text)
    assert 0 <= gone <= len(normalized.squeezed)


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_texts_fold(name):
    fold(ODD_TEXTS[name])
