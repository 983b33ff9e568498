from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.engine.normalize import normalize

from .tricky import ODD_TEXTS, any_text


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hello World", "hello world"),
        ("\uff26\uff35\uff2e", "fun"),
        ("fu\u200bn\u00ad", "fun"),
        ("\u202efun\u202c", "fun"),
        ("\u0441\u0430\u0440\u0435", "cape"),
        ("\u0412\u0415\u0422", "bet"),
        ("\u03b1\u03c1\u03b5", "ape"),
        ("sh1p", "ship"),
        ("$h!p", "ship"),
        ("b00k5", "books"),
        ("1990s", "1990s"),
        ("1234", "1234"),
        ("$100k", "$iook"),
        ("@name", "@name"),
        ("wow!", "wow!"),
        ("f u n", "fun"),
        ("f.u.n!", "fun!"),
        ("so f-u-n.", "so fun."),
        ("f u n  f o r  m e e", "fun  for  mee"),
        ("a b cd", "a b cd"),
        ("fuuuuun", "fuun"),
        ("good", "good"),
        ("STRASSE \u00df", "strasse ss"),
        ("f\u0335u\u0336n\u0337", "fun"),
        ("e\u0301", "\u00e9"),
        ("\u6b7b\u6b7b\u6b7b", "\u6b7b\u6b7b\u6b7b"),
        ("1111", "1111"),
        ("a\x00b", "ab"),
    ],
)
def test_folds(text, folded):
    assert normalize(text).text == folded


@given(any_text)
def test_places_rise_and_lie_in_the_text(text):
    normalized = normalize(text)
    assert len(normalized.offsets) == len(normalized.ends) == len(normalized.text)
    assert list(normalized.offsets) == sorted(normalized.offsets)
    assert list(normalized.ends) == sorted(normalized.ends)
    for start, end in zip(normalized.offsets, normalized.ends, strict=True):
        assert 0 <= start < end <= len(text)
    assert all(0 < place < len(normalized.text) for place in normalized.squeezed)


@given(any_text, st.data())
def test_every_range_has_a_place(text, data):
    normalized = normalize(text)
    length = len(normalized.text)
    start = data.draw(st.integers(0, length))
    end = data.draw(st.integers(start, length))
    low, high = normalized.span(start, end)
    assert 0 <= low <= high <= len(text)
    assert (low == high) == (start == end)


@pytest.mark.parametrize("wrong", [(-1, 0), (1, 0), (0, 4), (4, 4)])
def test_a_range_outside_the_text_is_refused(wrong):
    with pytest.raises(IndexError):
        normalize("fun").span(*wrong)


def test_a_span_covers_what_was_hidden_in_it():
    text = "so f\u200b.\u200bU.\uff2e!"
    normalized = normalize(text)
    start = normalized.text.index("fun")
    low, high = normalized.span(start, start + 3)
    assert text[low:high] == "f\u200b.\u200bU.\uff2e"


def test_a_squeezed_pair_stands_for_the_whole_run():
    normalized = normalize("xx aaaaa b")
    start = normalized.text.index("aa")
    assert normalized.span(start, start + 2) == (3, 8)
    assert normalized.squeezed == {start + 1}


def test_each_squeezed_run_is_known():
    normalized = normalize("aaaa bbbb cccc")
    assert normalized.text == "aa bb cc"
    assert normalized.squeezed == {1, 4, 7}
    assert normalized.span(6, 8) == (10, 14)


@given(any_text)
def test_case_makes_no_difference_in_ascii(text):
    text = "".join(char for char in text if char.isascii())
    assert normalize(text).text == normalize(text.swapcase()).text


@given(st.text(alphabet="ae\u0301\u0308\u0327 \u00e9o\u09c7\u09be\uac00\u1100\u1161"))
def test_the_form_of_unicode_makes_no_difference(text):
    composed = unicodedata.normalize("NFC", text)
    decomposed = unicodedata.normalize("NFD", text)
    assert normalize(composed).text == normalize(decomposed).text


@given(any_text)
def test_the_quick_way_for_plain_text_agrees_with_the_long_one(text):
    plain = "".join(char for char in text if char.isascii())
    # One unseen character more sends the text the long way.
    assert normalize(plain).text == normalize(plain + "\u200b").text


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_time_is_linear_in_odd_texts(name):
    started = time.process_time()
    normalize(ODD_TEXTS[name])
    # A quadratic step takes minutes at these lengths; the bound leaves room for a
    # slow machine.
    assert time.process_time() - started < 8


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("\u13df\u13aa\u13e2", "cap"),  # Cherokee letters, all of a word
        ("\ua731\u1d0d\u1d00\u029f\u029f", "small"),  # small capitals
        ("\U0001f170bc", "abc"),  # squared, white on black
        ("p\u0585rn, p\u0b20rn, p\u05e1rn", "porn, porn, porn"),
        # Whole words of those scripts are left as they are.
        ("\u05e1\u05d5\u05e1", "\u05e1\u05d5\u05e1"),
        ("\u0627\u0647", "\u0627\u0647"),
        ("\u0578\u057d", "\u0578\u057d"),
        ("\u05e1 a", "\u05e1 a"),
    ],
)
def test_look_alikes_are_unicodes(text, folded):
    assert normalize(text).text == folded


def test_a_run_of_many_look_alikes_takes_linear_time():
    text = "\u05e1" * 200_000 + "!" + "a\u05e1" * 100_000
    started = time.process_time()
    assert normalize(text).text.endswith("aoao")
    assert time.process_time() - started < 8
