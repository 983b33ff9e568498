"""The texts of our own say what they are, and each says something of its own."""

from __future__ import annotations

from collections import Counter, defaultdict

from tools.train_harm.rows import CATEGORIES, without_repeats
from tools.train_harm.texts import own_kinds, own_rows

CONTRAST = {
    "neutral-identity",
    "positive-identity",
    "negation",
    "counter-speech",
    "question-about-groups",
    "figurative",
    "help-seeking",
    "education",
}


def test_there_are_a_thousand_contrasts_and_every_one_is_harmless() -> None:
    found = Counter(kind for kind, _ in own_kinds())
    assert sum(found[kind] for kind in CONTRAST) >= 1000
    assert all(found[kind] >= 40 for kind in CONTRAST)
    for kind, row in own_kinds():
        if kind in CONTRAST:
            assert not any(row.labels.values()), row.text


def test_no_slot_is_left_open_and_every_text_begins_with_a_capital() -> None:
    for row in own_rows():
        assert not set("{}") & set(row.text), row.text
        assert row.text == row.text.strip()
        first = row.text.lstrip("“")[0]
        assert first.isupper() or first.isdigit(), row.text


def test_a_text_has_one_meaning() -> None:
    labels: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for row in own_rows():
        labels[row.text].add(tuple(c for c in CATEGORIES if row.labels.get(c)))
    assert not [text for text, found in labels.items() if len(found) > 1]


def test_hardly_a_text_repeats_another() -> None:
    rows = own_rows()
    assert len(without_repeats(rows)) > 0.99 * len(rows)


def test_every_category_has_examples() -> None:
    found = Counter(c for row in own_rows() for c in CATEGORIES if row.labels.get(c))
    assert all(found[category] >= 150 for category in CATEGORIES), found


def test_the_same_texts_every_time() -> None:
    assert list(own_kinds()) == list(own_kinds())
