from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.engine.samples import Sample, text_hash, write_jsonl
from django_contentsafety.flows.comparing import (
    LISTED,
    HeldOut,
    compare_samples,
    compare_versions,
    held_out,
)
from django_contentsafety.models import Category, CategoryVersion

held = st.builds(
    HeldOut,
    text=st.text(max_size=3),
    is_positive=st.booleans(),
    score=st.none() | st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
)
sides = st.dictionaries(st.sampled_from("abcdefghij"), held)


def sample(label, score, text="x"):
    return HeldOut(text=text, is_positive=label, score=score)


def compare(before, after, old=0.5, new=0.5):
    return compare_samples(before, after, before_threshold=old, after_threshold=new)


@given(sides, sides)
def test_every_shared_sample_is_counted_once(before, after):
    found = compare(before, after)
    shared = len(before.keys() & after.keys())
    assert found.compared + found.relabeled + found.unscored == shared
    assert found.only_before == len(before) - shared
    assert found.only_after == len(after) - shared
    assert len(found.flips) == found.fixed + found.broken
    assert (found.chance is None) is (not found.flips)


@given(sides, sides)
def test_the_other_way_round_fixed_and_broken_change_places(before, after):
    found, back = compare(before, after), compare(after, before)
    assert (found.fixed, found.broken) == (back.broken, back.fixed)
    assert (found.both_right, found.both_wrong) == (back.both_right, back.both_wrong)
    assert found.chance == back.chance


@given(sides)
def test_a_version_beside_itself_changes_nothing(side):
    found = compare(side, side)
    assert not found.flips
    assert not found.relabeled
    assert not found.only_before + found.only_after


def test_what_is_right_is_judged_by_each_threshold():
    before = {"a": sample(True, 0.5), "b": sample(False, 0.5)}
    after = {"a": sample(True, 0.5), "b": sample(False, 0.5)}
    # At the threshold is flagged: a is right and b wrong before, the reverse after.
    found = compare(before, after, new=0.51)
    assert (found.fixed, found.broken) == (1, 1)
    assert {flip.kind: flip.is_positive for flip in found.flips} == {
        "fixed": False,
        "broken": True,
    }


def test_what_is_broken_comes_first_and_the_farthest_off_at_the_top():
    before = {str(n): sample(False, 0.1, f"b{n}") for n in range(3)}
    after = {str(n): sample(False, 0.6 + n / 10, f"b{n}") for n in range(3)}
    before |= {f"f{n}": sample(True, 0.3 - n / 10, f"f{n}") for n in range(3)}
    after |= {f"f{n}": sample(True, 0.9, f"f{n}") for n in range(3)}
    found = compare(before, after)
    assert [flip.text for flip in found.flips] == ["b2", "b1", "b0", "f2", "f1", "f0"]


def test_the_list_is_bounded_and_the_counts_are_not():
    before = {str(n): sample(True, 0.1, str(n)) for n in range(LISTED + 50)}
    after = {str(n): sample(True, 0.9, str(n)) for n in range(LISTED + 50)}
    found = compare(before, after)
    assert found.fixed == LISTED + 50
    assert len(found.flips) == LISTED


def test_labels_that_changed_and_scores_that_are_missing():
    before = {"a": sample(True, 0.9), "b": sample(True, None), "c": sample(True, 0.9)}
    after = {"a": sample(False, 0.9), "b": sample(True, 0.9), "c": sample(True, None)}
    found = compare(before, after)
    assert (found.relabeled, found.unscored, found.compared) == (1, 2, 0)


@pytest.fixture
def category(db):
    return Category.objects.create(name="scam", definition="d", provider="default")


def version(category, number, rows, threshold=None):
    """Frozen samples (text, label, score) with the card that holds their scores."""
    samples = [Sample(text=text, is_positive=label) for text, label, _ in rows]
    metrics = {"f1": 0.5, **({} if threshold is None else {"threshold": threshold})}
    return CategoryVersion.objects.create(
        category=category,
        number=number,
        definition="d",
        provider="default",
        samples_jsonl=write_jsonl(samples),
        samples_sha256="0" * 64,
        positive_count=0,
        negative_count=0,
        status="ready",
        card={"metrics": metrics, "scores": [score for _, _, score in rows]},
    )


def test_versions_are_compared_by_the_texts_they_share(category):
    before = version(
        category,
        1,
        [("gone", True, 0.9), ("one", True, 0.9), ("two", False, 0.2)],
        0.5,
    )
    after = version(
        category,
        2,
        [("two", False, 0.7), (" one ", True, 0.65), ("new", True, 0.1)],
        0.6,
    )
    found = compare_versions(before, after)
    assert (found.before_threshold, found.after_threshold) == (0.5, 0.6)
    assert (found.broken, found.both_right, found.compared) == (1, 1, 2)
    assert (found.only_before, found.only_after) == (1, 1)
    assert found.flips[0].text == "two"
    both = compare_versions(before, after, threshold=0.8)
    assert (both.before_threshold, both.after_threshold) == (0.8, 0.8)
    assert (both.fixed, both.broken) == (0, 1)
    assert both.flips[0].text == " one "


def test_an_erased_line_leaves_the_others_their_scores(category):
    made = version(category, 1, [("a", True, 0.1), ("b", True, 0.2), ("c", True, 0.3)])
    lines = bytes(made.samples_jsonl).splitlines(keepends=True)
    made.samples_jsonl = lines[0] + b'{"erased": true}\n' + lines[2]
    scores = {one.text: one.score for one in held_out(made).values()}
    assert scores == {"a": 0.1, "c": 0.3}


@pytest.mark.parametrize("card", [None, [], {"scores": 3}, {"scores": ["x"]}])
def test_a_card_without_scores_compares_nothing(category, card):
    rows = [("a", True, 0.9), ("b", False, 0.1)]
    before, after = version(category, 1, rows), version(category, 2, rows)
    before.card = card
    found = compare_versions(before, after)
    assert (found.compared, found.unscored) == (0, 2)
    assert held_out(after)[text_hash("a")].score == 0.9
