"""What a data set doesn't say is unknown, and a text is counted once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.train_harm import sources
from tools.train_harm.rows import CATEGORIES, NONE, Row, without_repeats
from tools.train_harm.selection import part, select

from .made_up import make_folder


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Row]:
    monkeypatch.setattr(sources, "own_rows", list)
    return {row.text: row for row in sources.load(make_folder(tmp_path))}


def test_two_annotators_make_a_label_and_one_leaves_it_open(
    rows: dict[str, Row],
) -> None:
    harmless = rows["comment 0 on the harbor"]
    assert harmless.benign
    assert not any(harmless.labels.values())
    insult = rows["comment 9 on the vaks"]
    assert insult.labels["Harassment"]
    assert not insult.benign
    # One of three marked an attack on a group, and then the row counts half.
    attack = rows["comment 1 on the vaks"]
    assert attack.labels["Hate"]
    assert attack.weight == 0.5


def test_what_a_source_does_not_label_is_unknown(rows: dict[str, Row]) -> None:
    tweet = rows["tweet 1 of rips"]
    assert set(tweet.labels) == {"SelfHarm", "Sexual"}
    assert rows["zug them all"].labels["Violence"]
    assert "Harassment" not in rows["vaks are mats"].labels
    assert set(rows["a post about soup "].labels) == {"Hate", "SelfHarm", "Sexual"}
    assert "Hate" not in rows["Ann is a foul rip"].labels


def test_hazards_and_topics_become_categories(rows: dict[str, Row]) -> None:
    assert rows["how to ssh 3"].labels["SelfHarm"]
    assert rows["how to mat"].labels["SelfHarm"]
    assert rows["how to cse 3"].labels["Sexual"]
    assert not any(rows["how to prv 3"].labels.values())
    assert not any(rows["how to xor"].labels.values())


def test_a_listed_term_is_a_weak_example(rows: dict[str, Row]) -> None:
    assert rows["zugmat"].labels["Sexual"]
    assert rows["zugmat"].weight < 1
    assert "Hate" not in rows["zugmat"].labels


def test_the_same_text_counts_once_and_loses_what_is_disputed() -> None:
    first = Row("You are KIND!", "a", {"Hate": False, "Sexual": False}, benign=True)
    second = Row("you are kind", "b", {"Hate": True, "Sexual": False})
    (kept,) = without_repeats([first, second])
    assert kept.text == first.text
    assert kept.labels == {"Sexual": False}
    assert not kept.benign


def test_the_order_is_that_of_the_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "own_rows", list)
    folder = make_folder(tmp_path)
    before = sources.load(folder)
    file = folder / "ldnoobw_en.txt"
    file.write_text(file.read_text() + "\n")
    monkeypatch.setattr(sources, "SOURCES", sources.SOURCES[::-1])
    assert [row.text for row in sources.load(folder)] == [row.text for row in before]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder / "sms_spam.tsv").unlink()
    with pytest.raises(FileNotFoundError, match="sms_spam"):
        sources.load(folder)


def test_rare_rows_are_always_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.train_harm.selection.LIMITS", {"edos": 4})
    rows = [Row(f"text {n}", "edos", NONE) for n in range(9)]
    rows += [Row(f"threat {n}", "edos", {"Violence": True}) for n in range(9)]
    found = [row.text[:4] for row in select(rows)]
    assert found == ["text"] * 2 + ["thre"] * 9


def test_rows_that_resemble_each_other_are_held_out_together() -> None:
    assert part(Row("a", "banking", NONE)) == part(Row("b", "clinc", NONE))
    assert part(Row("a", "lexicon", NONE)) == ""
    same = {part(Row(text, "own:x", NONE, group="frame")) for text in "abc"}
    assert len(same) == 1


def test_every_category_is_known_to_the_engine() -> None:
    from django_contentsafety.engine.harm import CATEGORIES as KNOWN

    assert CATEGORIES == KNOWN
