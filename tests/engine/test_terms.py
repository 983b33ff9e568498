from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.engine.normalize import normalize
from django_contentsafety.engine.terms import TermHit, TermMatcher

from .tricky import ODD_TEXTS, PIECES, any_text


def found(terms, text):
    return [
        (hit.term, text[hit.start : hit.end]) for hit in TermMatcher(terms).find(text)
    ]


@pytest.mark.parametrize(
    ("term", "text", "hit"),
    [
        ("ass", "What an ASS!", "ASS"),
        ("ass", "a classic assessment", None),
        ("ass", "bad_ass", "ass"),
        ("ass", "you a$$", "a$$"),
        ("ass", "aaasss", "aaasss"),
        ("ass", "as", None),
        ("as", "ass", None),
        ("as", "assss", "assss"),
        ("fool", "f\u200bo\u043el", "f\u200bo\u043el"),
        ("fool", "you f.o.o.l.", "f.o.o.l"),
        ("fool", "foooool", "foooool"),
        ("fool", "fol", None),
        ("foool", "fool", None),
        ("foool", "foooool", "foooool"),
        ("kick  the can", "Kick\n the\u2003CAN.", "Kick\n the\u2003CAN"),
        ("kick the can", "kick-the-can", None),
        ("c++", "c++ and c+", "c++"),
        ("c++", "c+", None),
        (":-)", "well :-)", ":-)"),
        ("\u6b7b\u306d", "\u304a\u524d\u6b7b\u306d\u3088", "\u6b7b\u306d"),
        ("\u0939\u093f", "\u0939\u093f\u0928\u094d\u0926\u0940", None),
        ("caf\u00e9", "cafe\u0301", "cafe\u0301"),
        ("\U0001f595", "take \U0001f595\U0001f595", "\U0001f595"),
        (":-)", ": -)", None),
        (": )", "well : )", ": )"),
        ("no (way", "no(way", None),
        ("a.*b", "axxb", None),
        ("(", "(", "("),
        ("", "anything", None),
        ("\u200b", "any\u200bthing", None),
    ],
)
def test_finds(term, text, hit):
    hits = found([term], text)
    if hit is None:
        assert hits == []
    else:
        assert hits[0] == (term, hit)


def test_hits_are_ordered_and_may_overlap():
    text = "kick the can"
    assert TermMatcher(["can", "kick the can", "kick", "KICK"]).find(text) == [
        TermHit(term="KICK", start=0, end=4),
        TermHit(term="kick", start=0, end=4),
        TermHit(term="kick the can", start=0, end=12),
        TermHit(term="can", start=9, end=12),
    ]


def shape(text):
    """What two spellings of a term have in common: letters without their repeats."""
    spaced = re.sub(r"\s+", " ", normalize(text).text.strip())
    return re.sub(r"(.)\1+", r"\1", spaced)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=3), any_text)
def test_what_is_hit_reads_as_the_term(pieces, text):
    term = "".join(pieces)
    for hit in TermMatcher([term]).find(text):
        assert hit.term == term
        assert 0 <= hit.start < hit.end <= len(text)
        assert shape(text[hit.start : hit.end]) == shape(term)


@given(
    st.text(alphabet="abcdefgh", min_size=2, max_size=8),
    st.text(alphabet="xyz ,.", max_size=10),
    st.text(alphabet="xyz ,.", max_size=10),
)
def test_a_term_between_spaces_is_always_found(term, before, after):
    text = f"{before} , {term} , {after}"
    place = len(before) + 3
    hits = TermMatcher([term]).find(text)
    assert TermHit(term=term, start=place, end=place + len(term)) in hits


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_time_is_linear_in_odd_texts(name):
    matcher = TermMatcher(["kick the can", "a", "aa aa", "$", "ab"])
    started = time.process_time()
    matcher.find(ODD_TEXTS[name])
    assert time.process_time() - started < 15


def test_the_number_of_terms_makes_no_difference():
    matcher = TermMatcher([f"term{number:x}z" for number in range(20_000)])
    started = time.process_time()
    assert matcher.find("some words that are none of them " * 500) == []
    assert time.process_time() - started < 2
