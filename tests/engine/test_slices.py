from __future__ import annotations

import pytest

from django_contentsafety.engine.slices import MAX_SCRIPTS, measure_slices, script_of

from .tricky import ODD_TEXTS

#: A text, and the script of most of its letters.
SCRIPTS = {
    "Hello there": "Latin",
    "Ｆｕｌｌｗｉｄｔｈ": "Latin",
    "𝐁𝐨𝐥𝐝": "Latin",
    "Привет from Moscow, друзья мои": "Cyrillic",
    "图书馆星期六开门吗？": "Han",
    "おはようございます": "Kana",
    "コーヒー": "Kana",
    "도서관은": "Hangul",
    "שלום": "Hebrew",
    "مرحبا": "Arabic",
    "12:30 👍 !!!": "none",
    "": "none",
}


@pytest.mark.parametrize("text", SCRIPTS)
def test_scripts(text):
    assert script_of(text) == SCRIPTS[text]


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_texts_have_a_script(name):
    assert script_of(ODD_TEXTS[name])


def measure(texts):
    labels = [index % 2 == 0 for index in range(len(texts))]
    scores = [0.9 if index % 3 else 0.1 for index in range(len(texts))]
    return measure_slices(texts, labels, scores, 0.5, range(len(texts)))


def test_each_kind_of_slice_covers_all_samples():
    texts = [letter * length for letter in "aя文" for length in (3, 50, 51, 200, 5000)]
    slices = measure(texts)
    for by in ("length", "script"):
        mine = [one for one in slices if one.by == by]
        assert sum(one.positives + one.negatives for one in mine) == len(texts)
    assert [one.name for one in slices if one.by == "length"] == [
        "0-50",
        "51-200",
        "1001-",
    ]
    assert {one.name for one in slices if one.by == "script"} == {
        "Latin",
        "Cyrillic",
        "Han",
    }


def test_a_slice_counts_its_own_errors():
    slices = measure_slices(
        ["short", "short too", "x" * 300, "y" * 300],
        [True, False, True, True],
        [0.9, 0.8, 0.2, 0.9],
        0.5,
        range(4),
    )
    short, long, latin = slices
    assert (short.true_positives, short.false_positives) == (1, 1)
    assert (short.precision, short.recall) == (0.5, 1.0)
    assert (long.precision, long.recall) == (1.0, 0.5)
    assert latin.recall_interval.low < 2 / 3 < latin.recall_interval.high


def test_rare_scripts_share_a_slice():
    texts = [*["a"] * 9, *["я"] * 8, "文", "か", "ก", "א", "α", "ع", "ა"]
    scripts = [one for one in measure(texts) if one.by == "script"]
    assert len(scripts) == MAX_SCRIPTS
    other = next(one for one in scripts if one.name == "other")
    assert other.positives + other.negatives == 4
