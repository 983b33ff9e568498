"""A list of fifty rows costs what a list of one costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_contentsafety.admin.base import SafetyAdmin
from django_contentsafety.admin.versions import version_rows
from django_contentsafety.flows import build
from django_contentsafety.flows.moderate import drain
from django_contentsafety.models import (
    Blocklist,
    BuildJob,
    Category,
    CategoryVersion,
    LogEntry,
    ModerationResult,
    ModerationState,
    Policy,
    PolicyRule,
    Sample,
)
from tests.admin.conftest import CARD, make_job, make_version
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db


def a_category(number: int) -> Category:
    category = Category.objects.create(
        name=f"scam-{number}", definition="d", provider="default"
    )
    Sample.objects.create(category=category, text="positive")
    return category


def a_version(number: int) -> CategoryVersion:
    category = a_category(number)
    version = build.freeze(category, by="1")
    build.run(build.start(version, by="1"))
    build.activate(version, by="1")
    return version


def a_policy(number: int) -> Policy:
    version = a_version(number)
    policy = Policy.objects.create(slug=f"p{number}")
    PolicyRule.objects.create(
        policy=policy, category=version.category.name, block_at=0.5
    )
    a_blocklist(number, policy)
    return policy


def a_blocklist(number: int, policy: Policy | None = None) -> Blocklist:
    blocklist = Blocklist.objects.create(name=f"b{number}")
    blocklist.items.create(term="word")
    (policy or Policy.objects.order_by("pk")[0]).blocklists.add(blocklist)
    return blocklist


def a_state(number: int) -> ModerationState:
    return ModerationState.objects.create(
        model="testapp.comment", object_key=str(number), policy="comments"
    )


def a_result(number: int) -> ModerationResult:
    return ModerationResult.objects.create(
        model="testapp.comment",
        object_key=str(number),
        policy="comments",
        state_id=number,
        generation=1,
        round=0,
        source="default",
        text="text",
        scores=[{"category": "Hate", "severity": 4}],
    )


ROWS: dict[Any, Callable[[int], Any]] = {
    Blocklist: a_blocklist,
    BuildJob: a_version,
    Category: a_version,
    CategoryVersion: a_version,
    LogEntry: lambda number: LogEntry.objects.create(
        event="e", actor_key=str(number), model="testapp.comment", object_key="1"
    ),
    ModerationResult: a_result,
    ModerationState: a_state,
    Policy: a_policy,
    Sample: lambda number: (
        Sample.objects.create(category=a_category(number), text="text")
        if number
        else None
    ),
}


def ours() -> list[Any]:
    return [
        model
        for model, model_admin in admin.site._registry.items()
        if isinstance(model_admin, SafetyAdmin)
    ]


def test_every_list_has_a_case() -> None:
    assert set(ours()) == set(ROWS)


def count(client: Client, page: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(page).status_code == 200
    return len(queries)


@pytest.mark.parametrize("model", ours(), ids=lambda model: model._meta.model_name)
def test_lists_are_flat(root: Client, model: Any) -> None:
    page = reverse(f"admin:contentsafety_{model._meta.model_name}_changelist")
    ROWS[model](1)
    root.get(page)  # Fills Django's caches.
    one = count(root, page)
    for number in range(2, 51):
        ROWS[model](number)
    fifty = count(root, page)
    assert fifty == one
    assert one <= 20


def test_lists_leave_large_columns_alone(root: Client, category: Category) -> None:
    make_version(category)
    for model in (Category, CategoryVersion, BuildJob):
        page = reverse(f"admin:contentsafety_{model._meta.model_name}_changelist")
        with CaptureQueriesContext(connection) as queries:
            root.get(page)
        sql = " ".join(query["sql"] for query in queries)
        assert "artifact" not in sql
        assert "samples_jsonl" not in sql


def test_the_category_page_is_flat(root: Client, category: Category) -> None:
    page = reverse("admin:contentsafety_category_change", args=[category.pk])
    make_version(category)
    root.get(page)
    one = count(root, page)
    for _number in range(10):
        make_version(category)
    assert count(root, page) == one


def test_the_version_page_is_flat(root: Client, category: Category) -> None:
    version = make_version(category)
    build.activate(version, by="1")
    page = reverse("admin:contentsafety_categoryversion_change", args=[version.pk])
    build.activate(make_version(category), by="1")
    build.activate(version, by="1")
    root.get(page)
    one = count(root, page)
    for _number in range(10):
        make_version(category)
    assert count(root, page) == one


def test_the_page_of_what_changed_is_flat(root: Client, category: Category) -> None:
    make_version(category)
    Sample.objects.create(category=category, text="one more")
    second = make_version(category)
    page = reverse("admin:contentsafety_categoryversion_diff", args=[second.pk])
    root.get(page)
    one = count(root, page)
    for number in range(50):
        Sample.objects.create(category=category, text=f"another one {number}")
    last = make_version(category)
    page = reverse("admin:contentsafety_categoryversion_diff", args=[last.pk])
    assert count(root, page) == one


def test_the_page_to_activate_is_flat_in_texts(
    root: Client, category: Category, policy: Policy
) -> None:
    version = make_version(category)
    policy.rules.all().delete()
    PolicyRule.objects.create(policy=policy, category=category.name, block_at=0.5)
    page = reverse("admin:contentsafety_categoryversion_activate", args=[version.pk])
    Comment.objects.create(body="one")
    drain("default")
    root.get(page)
    one = count(root, page)
    for number in range(50):
        Comment.objects.create(body=f"another {number}")
    drain("default")
    assert count(root, page) == one


def test_a_bulk_action_is_flat_in_samples(root: Client, category: Category) -> None:
    page = reverse("admin:contentsafety_sample_changelist")

    def label(number: int) -> int:
        made = [
            Sample.objects.create(category=category, text=f"text {number} {n}")
            for n in range(number)
        ]
        data = {"action": "mark_negative", "_selected_action": [s.pk for s in made]}
        with CaptureQueriesContext(connection) as queries:
            assert root.post(page, data).status_code == 302
        assert not Sample.objects.filter(is_positive=True).exists()
        return len(queries)

    label(1)
    assert label(2) == label(40)


def test_the_policy_page_is_flat(root: Client, policy: Policy) -> None:
    def add_rule(number: int) -> None:
        category = a_version(number).category
        PolicyRule.objects.create(policy=policy, category=category.name, block_at=0.5)

    page = reverse("admin:contentsafety_policy_change", args=[policy.pk])
    add_rule(0)
    root.get(page)
    few = count(root, page)
    for number in range(1, 11):
        add_rule(number)
    assert count(root, page) == few


def test_the_build_page_reads_no_blobs(root: Client, category: Category) -> None:
    job = make_job(category, "queued")
    page = reverse("admin:contentsafety_buildjob_change", args=[job.pk])
    with CaptureQueriesContext(connection) as queries:
        root.get(page)
    assert "artifact" not in " ".join(query["sql"] for query in queries)


@pytest.mark.django_db(databases="__all__")
def test_the_computed_columns_work_on_every_database(
    using: str, rf: RequestFactory, superuser: User
) -> None:
    category = Category(name="scam", definition="d", provider="default")
    category.save(using=using)
    for number, is_positive in enumerate((True, True, False)):
        Sample(category=category, text=str(number), is_positive=is_positive).save(
            using=using
        )
    version = CategoryVersion(
        category=category,
        number=1,
        definition="d",
        provider="default",
        samples_jsonl=b"",
        samples_sha256="",
        positive_count=2,
        negative_count=1,
        card=CARD,
        status="ready",
    )
    version.save(using=using)
    BuildJob(version=version, status="succeeded", finished_at=version.created_at).save(
        using=using
    )
    Category.objects.using(using).update(active_version=version)
    request = rf.get("/")
    request.user = superuser
    row = admin.site._registry[Category].get_queryset(request).using(using).get()
    assert (row.active_number, row.positives, row.negatives) == (1, 2, 1)
    assert row.build_status == "succeeded"
    (shown,) = version_rows(admin.site, request, row)
    assert shown["f1"] == "0.51"
    assert shown["is_active"]
