"""The bar, the way back, and going out of use; the site tables in each database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.exceptions import RefusedError
from django_contentsafety.flows import build, removing
from django_contentsafety.flows.activating import (
    BARS,
    measured,
    previous_version,
    shortfalls,
)
from django_contentsafety.models import Category, CategoryVersion, LogEntry
from tests.admin.conftest import CARD, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def category() -> Category:
    made: Category = Category.objects.create(
        name="scam", definition="d", provider="default"
    )
    return made


def last_entry() -> LogEntry:
    found = LogEntry.objects.first()
    assert found is not None
    return found


# --- The bar --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bar", "short"),
    [
        ({}, []),
        ({"precision": 0.5, "f1": 0.51}, []),
        ({"precision": 0.51}, ["precision is 0.5, and must be 0.51"]),
        ({"precision_low": 0.1}, []),
        ({"precision_low": 0.2}, ["precision_low is 0.1, and must be 0.2"]),
        ({"roc_auc": 0}, ["roc_auc is not on its card, and must be 0"]),
        ({"f1_low": 0.1}, []),
        ({"roc_auc_low": 0}, ["roc_auc_low is not on its card, and must be 0"]),
        ({"f1": 0.9, "recall": 0.4, "recall_low": 0.11}, ["f1", "recall_low"]),
    ],
)
def test_the_bar(category: Category, settings: Any, bar: Any, short: list[str]) -> None:
    version = make_version(category)
    settings.CONTENTSAFETY_ACTIVATION_BAR = bar
    found = [str(shortfall) for shortfall in shortfalls(version)]
    assert len(found) == len(short)
    assert all(
        words.startswith(start) for words, start in zip(found, short, strict=True)
    )
    if short:
        with pytest.raises(RefusedError, match="falls short of the bar"):
            build.activate(version, by="7", reason="a reason alone lifts no bar")
        category.refresh_from_db()
        assert category.active_version is None
        assert not LogEntry.objects.filter(event="activated").exists()
    else:
        build.activate(version, by="7")
        assert last_entry().details == {"version": 1}


def test_a_reason_overrides_the_bar_and_is_logged(
    category: Category, settings: Any
) -> None:
    version = make_version(category)
    settings.CONTENTSAFETY_ACTIVATION_BAR = {"precision": 0.9, "recall": 0.1}
    build.activate(version, by="7", override_reason="  the old one\nis worse ")
    entry = last_entry()
    assert (entry.event, entry.actor_key) == ("activated", "7")
    assert entry.reason == "the old one is worse"
    assert entry.details == {"version": 1, "below": ["precision"]}


@pytest.mark.parametrize("reason", ["", "   ", "\n"])
def test_a_blank_reason_overrides_nothing(
    category: Category, settings: Any, reason: str
) -> None:
    version = make_version(category)
    settings.CONTENTSAFETY_ACTIVATION_BAR = {"precision": 0.9}
    with pytest.raises(RefusedError, match=r"precision is 0\.5, and must be 0\.9"):
        build.activate(version, by="7", override_reason=reason)


def test_without_a_card_it_falls_short(category: Category, settings: Any) -> None:
    version = make_version(category)
    CategoryVersion.objects.update(card=None)
    settings.CONTENTSAFETY_ACTIVATION_BAR = {"precision": 0.0}
    with pytest.raises(RefusedError, match="not on its card"):
        build.activate(version, by="7")


def test_a_reason_that_no_log_takes(category: Category) -> None:
    version = make_version(category)
    with pytest.raises(RefusedError, match="at most 200"):
        build.activate(version, by="7", reason="x" * 201)
    build.activate(version, by="7", reason="x" * 200)
    assert last_entry().reason == "x" * 200


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["metrics", "precision", "precision_interval", "low"]),
            inner,
        )
    ),
    max_leaves=8,
)


@given(card=JSON, name=st.sampled_from(BARS))
def test_a_foreign_card_is_a_number_or_nothing(card: Any, name: str) -> None:
    value = measured(card, name)
    assert value is None or (isinstance(value, int | float) and value == value)


def test_the_bar_counts_what_the_page_shows(category: Category, settings: Any) -> None:
    """A card with the four counts alone has a precision, and its interval."""
    version = make_version(category)
    names = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    version.card = {"metrics": dict(zip(names, (90, 10, 30, 70), strict=True))}
    settings.CONTENTSAFETY_ACTIVATION_BAR = {"precision": 0.9, "precision_low": 0.8}
    assert shortfalls(version) == []
    settings.CONTENTSAFETY_ACTIVATION_BAR = {"recall": 0.76, "roc_auc": 0.5}
    assert [short.value for short in shortfalls(version)] == [0.75, None]


def test_a_roll_back_leads_where_it_can(category: Category) -> None:
    """Another provider answers now: what the first one built is not offered."""
    first = make_version(category)
    build.activate(first, by="")
    Category.objects.update(provider="local")
    category.refresh_from_db()
    category.active_version = None
    assert previous_version(category) is None
    category.provider = first.provider
    assert previous_version(category) == first


def test_another_providers_version_is_not_activated(category: Category) -> None:
    version = make_version(category)
    Category.objects.update(provider="local")
    with pytest.raises(RefusedError, match="built by the provider default"):
        build.activate(version, by="7")


def test_what_answers_already_is_left_alone(category: Category) -> None:
    version = make_version(category)
    build.activate(version, by="7")
    build.activate(version, by="8")
    assert LogEntry.objects.filter(event="activated").count() == 1


# --- The way back ---------------------------------------------------------------------


def test_a_roll_back_leads_to_what_answered_before(category: Category) -> None:
    one, two, three = (make_version(category) for _ in range(3))
    assert previous_version(category) is None
    build.activate(three, by="")
    category.refresh_from_db()
    assert previous_version(category) is None
    build.activate(one, by="")
    category.refresh_from_db()
    assert previous_version(category) == three
    build.activate(two, by="")
    category.refresh_from_db()
    # Neither the newest nor the one before it by number.
    assert previous_version(category) == one
    removing.retire(one, by="")
    assert previous_version(category) == three


# --- Out of use -----------------------------------------------------------------------


def test_retired_and_reinstated(category: Category) -> None:
    version = make_version(category)
    removing.retire(version, by="7", reason="too many false alarms")
    entry = last_entry()
    assert (entry.event, entry.actor_key) == ("version_retired", "7")
    assert entry.reason == "too many false alarms"
    with pytest.raises(RefusedError, match="only a ready version"):
        build.activate(version, by="7")
    with pytest.raises(RefusedError):
        removing.retire(version, by="7")
    removing.reinstate(version, by="7")
    build.activate(version, by="7")


@pytest.mark.parametrize("act", [removing.retire, removing.delete])
def test_what_answers_stays(category: Category, act: Any) -> None:
    version = make_version(category)
    build.activate(version, by="7")
    with pytest.raises(RefusedError):
        act(version, by="7")
    version.refresh_from_db()
    assert version.status == "ready"


def test_the_card_of_the_tests_has_the_metrics() -> None:
    assert measured(CARD, "precision") == 0.5
