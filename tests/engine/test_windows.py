from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies as st

from django_contentsafety.engine.windows import MAX_WINDOWS, WINDOW, windows

texts = st.lists(
    st.sampled_from(["word ", "Sentence. ", "x" * 50, "x" * 500, "\n", "\u3002", "? "]),
    max_size=120,
).map("".join)


@given(texts)
def test_windows_cover_the_text_and_never_overlap(text):
    found = windows(text)
    assert found[0][0] == 0
    assert found[-1][1] == len(text)
    for (_, end), (start, _) in pairwise(found):
        assert start == end
    assert all(start < end for start, end in found) or not text
    assert len(found) <= MAX_WINDOWS
    longest = max(WINDOW, -(-2 * len(text) // MAX_WINDOWS))
    assert all(end - start <= longest for start, end in found)


def test_a_short_text_is_one_window():
    assert windows("") == [(0, 0)]
    assert windows("One. Two. Three.") == [(0, 16)]


def test_sentences_stay_whole_where_they_fit():
    sentence = "These are words that make a sentence of some length. "
    text = sentence * 20
    found = windows(text)
    assert len(found) > 1
    assert all(text[start:end].startswith("These") for start, end in found)
    assert all(text[start:end].endswith("length. ") for start, end in found)
