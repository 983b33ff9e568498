"""What changed between two versions, compared with a plain set of samples."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from django_contentsafety.engine.samples import Sample, parse_jsonl, write_jsonl
from django_contentsafety.flows import build, differences, exporting
from django_contentsafety.flows.differences import compare, compare_words
from django_contentsafety.flows.exporting import export_frozen, export_live
from django_contentsafety.models import Category, CategoryVersion
from tests.admin.conftest import make_version

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
).filter(str.strip)


@pytest.fixture
def category(db: None) -> Category:
    made: Category = Category.objects.create(
        name="scam", definition="d", provider="default"
    )
    return made


def frozen(category: Category, data: bytes, number: int) -> CategoryVersion:
    version: CategoryVersion = CategoryVersion.objects.create(
        category=category,
        number=number,
        definition="d",
        provider="default",
        samples_jsonl=data,
        samples_sha256=sha256(data).hexdigest(),
        positive_count=0,
        negative_count=0,
    )
    return version


def lines(labels: dict[str, bool]) -> bytes:
    return write_jsonl(Sample(text=t, is_positive=p) for t, p in labels.items())


def stripped(labels: dict[str, bool]) -> dict[str, bool]:
    """Each text once, as a category has it."""
    found: dict[str, bool] = {}
    for text, label in labels.items():
        found.setdefault(text.strip(), label)
    return found


@settings(max_examples=60)
@given(
    old=st.dictionaries(TEXTS, st.booleans(), max_size=8).map(stripped),
    new=st.dictionaries(TEXTS, st.booleans(), max_size=8).map(stripped),
    kept=st.dictionaries(TEXTS, st.tuples(st.booleans(), st.booleans()), max_size=6),
)
@pytest.mark.django_db(transaction=True)
def test_it_is_the_difference_of_two_sets(
    old: dict[str, bool], new: dict[str, bool], kept: dict[str, tuple[bool, bool]]
) -> None:
    for text, (before, after) in kept.items():
        old[text.strip()], new[text.strip()] = before, after
    Category.objects.all().delete()
    category = Category.objects.create(name="scam", definition="d", provider="default")
    found = compare(frozen(category, lines(old), 1), frozen(category, lines(new), 2))
    both = old.keys() & new.keys()
    expected = {
        "added": {(t, new[t]) for t in new.keys() - old.keys()},
        "removed": {(t, old[t]) for t in old.keys() - new.keys()},
        "relabeled": {(t, new[t]) for t in both if old[t] != new[t]},
    }
    for name, changes in expected.items():
        kind = getattr(found, name)
        assert kind.count == len(changes)
        assert {(c.text, c.is_positive) for c in kind.listed} == changes
    assert found.unchanged == sum(old[t] == new[t] for t in both)
    assert found.erased == 0


def test_lists_are_bounded_and_counts_are_not(
    category: Category, monkeypatch: Any
) -> None:
    monkeypatch.setattr(differences, "LISTED", 3)
    old = {f"old {n}": True for n in range(10)} | {f"both {n}": True for n in range(9)}
    new = {f"new {n}": True for n in range(20)} | {f"both {n}": False for n in range(9)}
    found = compare(frozen(category, lines(old), 1), frozen(category, lines(new), 2))
    assert (found.added.count, found.removed.count, found.relabeled.count) == (
        20,
        10,
        9,
    )
    for kind in (found.added, found.removed, found.relabeled):
        assert len(kind.listed) == 3
    assert [c.text for c in found.removed.listed] == ["old 0", "old 1", "old 2"]


@pytest.mark.parametrize(
    "line", [b"\n", b"null\n", b'{"text": null}\n', b"[1]\n", b"\xff\n", b"{}\n"]
)
def test_an_erased_line_is_counted(category: Category, line: bytes) -> None:
    before = frozen(category, lines({"a": True}) + line, 1)
    found = compare(before, frozen(category, line + lines({"a": True}), 2))
    assert (found.unchanged, found.erased) == (1, 2)
    assert found.is_empty


@given(before=st.text(max_size=60), after=st.text(max_size=60))
def test_words_can_be_put_together_again(before: str, after: str) -> None:
    pieces = compare_words(before, after)
    assert "".join(text for mark, text in pieces if mark != "new") == before
    assert "".join(text for mark, text in pieces if mark != "gone") == after


def test_words_are_readable() -> None:
    assert compare_words("Lures to crypto.", "Lures to send crypto.") == [
        ("same", "Lures to "),
        ("new", "send "),
        ("same", "crypto."),
    ]


# --- Out and in again -----------------------------------------------------------------


@settings(max_examples=40)
@given(labels=st.dictionaries(TEXTS, st.booleans(), min_size=1).map(stripped))
@pytest.mark.django_db(transaction=True)
def test_what_is_exported_is_imported_and_exported_as_the_same_bytes(
    labels: dict[str, bool],
) -> None:
    Category.objects.all().delete()
    one, two = (
        Category.objects.create(name=name, definition="d", provider="default")
        for name in ("one", "two")
    )
    build.import_samples(one, lines(labels), filename="f", by="")
    data = b"".join(export_live(one))
    assert data == lines(labels)
    build.import_samples(two, data, filename="f", by="")
    assert b"".join(export_live(two)) == data
    if any(labels.values()):
        version = build.freeze(two, by="")
        assert b"".join(export_frozen(version)) == data
        assert sha256(data).hexdigest() == version.samples_sha256
    assert parse_jsonl(data).errors == ()


def test_the_frozen_bytes_are_sent_whatever_they_are(
    category: Category, monkeypatch: Any
) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 7)
    data = b'  {"text":"a"}\r\n{"text": "b", "isPositive": false}'
    version = frozen(category, data, 1)
    assert b"".join(export_frozen(version)) == data


def test_live_samples_are_read_step_by_step(
    category: Category, monkeypatch: Any
) -> None:
    monkeypatch.setattr(exporting, "STEP", 2)
    version = make_version(category)
    chunks = list(export_live(category))
    assert len(chunks) == 2
    assert b"".join(chunks) == bytes(version.samples_jsonl)
