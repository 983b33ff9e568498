from __future__ import annotations

from collections import Counter
from pathlib import Path

from django_contentsafety.engine.folds import group_texts
from django_contentsafety.engine.samples import Sample, parse_jsonl, write_jsonl
from django_contentsafety.engine.slices import script_of
from django_contentsafety.engine.unrelated import measure_unrelated, unrelated_texts

DATA = Path(__file__).parents[2] / "example_project" / "data"


def test_the_texts_are_many_and_unlike_each_other():
    name, texts = unrelated_texts()
    assert len(name) == 12
    assert len(texts) >= 300
    spoken = [one.text for one in texts if one.language]
    assert len(set(group_texts(spoken))) == len(spoken)
    kinds = Counter(one.kind for one in texts)
    assert min(kinds[kind] for kind in ("guestbook", "review", "question", "news")) > 20
    assert kinds["touchy"] > 50
    assert len({one.language for one in texts}) > 25
    assert len({script_of(one.text) for one in texts}) > 12


def test_each_could_be_a_sample():
    texts = [Sample(text=one.text, is_positive=False) for one in unrelated_texts()[1]]
    assert parse_jsonl(write_jsonl(texts)).errors == ()


def test_none_is_a_text_of_the_example():
    known = {
        sample.text
        for path in DATA.glob("*.jsonl")
        for _, sample in parse_jsonl(path.read_bytes()).samples
    }
    assert known
    assert not known & {one.text for one in unrelated_texts()[1]}


def test_false_alarms_are_counted_at_the_threshold():
    count = len(unrelated_texts()[1])
    marks = [0.5, 0.49999, 0.4999, 0.9] + [0.1] * (count - 4)
    found = measure_unrelated(lambda texts: marks, 0.5)
    # The second rounds to the threshold, and whoever has the card counts the same.
    assert found.false_positives == 3
    assert found.false_positives == sum(score >= 0.5 for score in found.scores)
    assert found.rate == 3 / count
    assert found.rate_interval.low < found.rate < found.rate_interval.high
