from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from django_contentsafety.engine.features import MAX_CHARS
from django_contentsafety.engine.scoring import analyze, logits, read
from django_contentsafety.engine.unrelated import unrelated_texts
from django_contentsafety.engine.windows import WINDOW

from .made_up import POSITIVE, make_samples
from .tricky import any_text


@pytest.fixture(scope="module")
def filler():
    return " ".join(one.text for one in unrelated_texts()[1][:40])


def test_a_long_text_scores_by_its_worst_window(trained, filler):
    bad = " ".join(POSITIVE * 3) + ". "
    middle = len(filler) // 2
    text = f"{filler[:middle]}\n{bad}{filler[middle:]}"
    (clean,) = trained.head.analyze([filler])
    (found,) = trained.head.analyze([text])
    assert clean.score < 0.2
    assert found.score > clean.score + 0.2
    # The window is pointed at, by its place in the original.
    assert found.start <= text.index(bad) < found.end
    assert found.end - found.start <= WINDOW
    assert all(
        found.start <= token.start < token.end <= found.end
        for token in trained.head.explain(text)
    )


def test_a_short_text_is_pointed_at_as_a_whole(trained):
    (found,) = trained.head.analyze(["mona tina"])
    assert (found.start, found.end) == (0, 9)


def test_the_words_add_up_to_the_logit(trained):
    texts = [sample.text for sample in make_samples(5, 5, seed=8)]
    texts += ["a-b a-b, c! d? --- a-b zugmat zugmat", "", "?!", "\u6b7b\u306d zugmat"]
    found = trained.head.logits(read(texts).features)
    for text, logit in zip(texts, found, strict=True):
        words = trained.head.explain(text, limit=1000)
        assert sum(word.weight for word in words) + trained.head.bias == pytest.approx(
            logit, abs=1e-5
        )


def test_an_explanation_spares_a_scoring_that_is_known(trained, filler):
    text = f"{filler} {' '.join(POSITIVE * 3)}."
    (found,) = trained.head.analyze([text])
    assert trained.head.explain(text, found=found) == trained.head.explain(text)


@settings(max_examples=30)
@given(st.lists(any_text, max_size=4))
def test_many_heads_and_texts_score_as_one_does(trained, texts):
    heads = [trained.head, trained.head]
    together = list(analyze(heads, texts))
    assert len(together) == len(texts)
    for text, (one, other) in zip(texts, together, strict=True):
        (alone,) = trained.head.analyze([text])
        assert one == other
        assert one.score == pytest.approx(alone.score, abs=1e-9)
        assert 0 <= one.start <= one.end <= len(text)


def test_no_texts_and_no_heads_are_no_error(trained):
    assert list(analyze([trained.head], [])) == []
    assert logits([trained.head], read([]).features).shape == (0, 1)


def test_what_is_too_long_is_said(trained):
    (found,) = trained.head.analyze(["word " * MAX_CHARS])
    assert found.truncated
    assert found.end <= MAX_CHARS
