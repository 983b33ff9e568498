"""Samples in the admin: labeled, searched, deleted, many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_contentsafety.models import Category, LogEntry, Sample
from tests.admin.conftest import make_version, said, words

pytestmark = pytest.mark.django_db

LIST = "admin:contentsafety_sample_changelist"


@pytest.fixture
def samples(category: Category) -> list[Sample]:
    other = Category.objects.create(name="spam", definition="d", provider="local")
    return [
        Sample.objects.create(category=owner, text=f"secret {n}", is_positive=n % 2)
        for owner in (category, other)
        for n in range(4)
    ]


def act(client: Client, action: str, samples: list[Sample], **data: Any) -> Any:
    chosen = {"action": action, "_selected_action": [s.pk for s in samples], **data}
    return client.post(reverse(LIST), chosen, follow=True)


def logged(event: str) -> list[tuple[str, str, dict[str, Any]]]:
    rows = LogEntry.objects.filter(event=event).order_by("pk")
    return list(rows.values_list("subject", "to_value", "details"))


def test_many_are_labeled_at_once(root: Client, samples: list[Sample]) -> None:
    response = act(root, "mark_positive", samples[1:5])
    # Of the four two were negative.
    assert "2 samples are positive now." in said(response)
    assert logged("samples_relabeled") == [
        ("crypto-scam", "positive", {"samples": 1}),
        ("spam", "positive", {"samples": 1}),
    ]
    labels = [s.is_positive for s in Sample.objects.order_by("pk")]
    assert labels == [False, True, True, True, True, True, False, True]
    act(root, "mark_negative", samples)
    assert not Sample.objects.filter(is_positive=True).exists()


def test_all_that_a_search_found(root: Client, samples: list[Sample]) -> None:
    chosen = {
        "action": "mark_positive",
        "_selected_action": [samples[0].pk],
        "select_across": "1",
    }
    root.post(f"{reverse(LIST)}?q=secret+2", chosen)
    labels = [s.is_positive for s in Sample.objects.order_by("pk")]
    assert labels == [False, True, True, True] * 2


def test_a_frozen_version_keeps_its_labels(root: Client, category: Category) -> None:
    version = make_version(category)
    before = bytes(version.samples_jsonl)
    act(root, "mark_negative", list(category.samples.all()))
    act(root, "delete_selected", list(category.samples.all()), post="yes")
    version.refresh_from_db()
    assert bytes(version.samples_jsonl) == before


def test_labeling_takes_reading(
    staff: Callable[..., Client], samples: list[Sample]
) -> None:
    for given in (
        ("view_sample", "change_sample"),
        ("view_sample", "view_sample_text"),
        ("view_sample", "delete_sample"),
    ):
        client = staff(*given)
        assert "Mark selected" not in words(client.get(reverse(LIST)))
        act(client, "mark_positive", samples)
    assert Sample.objects.filter(is_positive=False).count() == 4
    assert logged("samples_relabeled") == []


def test_deleting_many_names_a_number(root: Client, samples: list[Sample]) -> None:
    page = words(act(root, "delete_selected", samples[:5]))
    assert "5 samples" in page
    assert "secret" not in page
    act(root, "delete_selected", samples[:5], post="yes")
    assert Sample.objects.count() == 3
    assert logged("samples_deleted") == [
        ("crypto-scam", "", {"samples": 4}),
        ("spam", "", {"samples": 1}),
    ]


def test_each_step_about_one_is_logged_without_its_text(
    root: Client, category: Category
) -> None:
    add = reverse("admin:contentsafety_sample_add")
    root.post(add, {"category": category.pk, "text": "secret", "is_positive": "on"})
    sample = Sample.objects.get()
    change = reverse("admin:contentsafety_sample_change", args=[sample.pk])
    root.post(change, {"text": "secret, changed"})
    sample.refresh_from_db()
    assert (sample.text, sample.is_positive) == ("secret, changed", False)
    delete = reverse("admin:contentsafety_sample_delete", args=[sample.pk])
    root.post(delete, {"post": "yes"})
    entries = LogEntry.objects.filter(event__startswith="sample").order_by("pk")
    assert list(entries.values_list("event", "details")) == [
        ("sample_added", {"sample": sample.pk}),
        ("sample_changed", {"sample": sample.pk}),
        ("samples_deleted", {"samples": 1}),
    ]
    assert "secret" not in str(list(entries.values()))


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("q=secret+1", 2),
        ("is_positive__exact=1", 4),
        ("category__id__exact={category}", 4),
        ("category__id__exact={category}&is_positive__exact=0&q=2", 1),
        ("source__exact=upload", 0),
    ],
)
def test_search_and_filters(
    root: Client, category: Category, samples: list[Sample], query: str, count: int
) -> None:
    page = root.get(f"{reverse(LIST)}?{query.format(category=category.pk)}")
    assert page.context["cl"].result_count == count
