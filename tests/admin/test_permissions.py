"""Every URL of ours: nobody, staff without the permission, staff with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps as django_apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import models
from django.test import Client
from django.urls import reverse

from django_contentsafety.admin.base import SafetyAdmin
from django_contentsafety.flows.submit import submit
from django_contentsafety.models import (
    Blocklist,
    BuildJob,
    Category,
    CategoryVersion,
    LogEntry,
    ModerationResult,
    ModerationState,
    Policy,
    Sample,
)
from django_contentsafety.registry import registry
from tests.admin.conftest import make_job, make_version, words
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]

#: Pages that Django's own admin has, with permissions of its own.
OWN = {"changelist", "add", "history", "delete", "change"}


def a_state() -> ModerationState:
    comment = Comment.objects.create(body="hello")
    submit(comment, registry.get(Comment), using="default", inserted=False)
    return ModerationState.objects.get()


def undeletable(category: Category) -> CategoryVersion:
    version = make_version(category)
    CategoryVersion.objects.filter(pk=version.pk).update(status="delete_failed")
    version.refresh_from_db()
    return version


def retired(category: Category) -> CategoryVersion:
    version = make_version(category)
    CategoryVersion.objects.filter(pk=version.pk).update(status="retired")
    return version


def measurable(category: Category) -> CategoryVersion:
    """Ready, with a sample that was withheld; its provider answers about nothing."""
    version = make_version(category)
    models.QuerySet(CategoryVersion).filter(pk=version.pk).update(
        withheld_jsonl=b'{"text": "a", "isPositive": true}\n', withheld_count=1
    )
    version.refresh_from_db()
    return version


def second(category: Category) -> CategoryVersion:
    make_version(category)
    return make_version(category)


def comments(category: Category) -> Policy:
    return Policy.objects.get(slug="comments")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A URL of ours: what it is about, and what it asks for."""

    make: Callable[[Category], Any]
    #: Without any one of these it answers 403, and its button is not shown.
    needs: list[str]
    #: What is posted.
    data: dict[str, Any] = field(default_factory=dict)
    #: What GET and POST answer to who may.
    get: int = 200
    post: int = 302
    #: False: a part of a page, which has no button.
    button: bool = True

    def address(self, name: str, obj: Any) -> str:
        # Without an object it is about the list.
        args = [] if obj is None else [obj.pk]
        return reverse(f"admin:contentsafety_{name}", args=args)

    def page(self, name: str, obj: Any) -> str:
        """Where its button is."""
        model = name.partition("_")[0]
        kind, args = ("changelist", []) if obj is None else ("change", [obj.pk])
        return reverse(f"admin:contentsafety_{model}_{kind}", args=args)


#: URL name → case. GET 302: a button alone, nothing to look at.
CASES: dict[str, Case] = {
    "category_upload": Case(
        make=lambda category: category,
        needs=["view_category", "add_sample"],
        # A file answers with its preview; this is what is confirmed, too late.
        data={"token": "stale"},
    ),
    "category_freeze": Case(
        make=lambda category: category,
        needs=["view_category", "build_category"],
        get=302,
    ),
    "category_try_it": Case(
        make=lambda category: category,
        needs=["view_category", "try_category"],
        data={"text": "hello"},
        post=200,
    ),
    "category_export_samples": Case(
        make=lambda category: category,
        needs=["view_category", "view_sample_text"],
        post=405,
    ),
    "category_export": Case(
        make=lambda category: category,
        needs=["view_category", "view_sample_text"],
        get=302,
        post=200,
    ),
    "category_import": Case(
        make=lambda category: None,
        needs=["add_category", "add_sample"],
        data={"token": "stale"},
    ),
    "category_adopt": Case(
        make=lambda category: None,
        needs=["add_category", "build_category"],
    ),
    "categoryversion_build": Case(
        make=lambda category: make_version(category, ready=False),
        needs=["view_categoryversion", "build_category"],
        get=302,
    ),
    "categoryversion_activate": Case(
        make=make_version,
        needs=["view_categoryversion", "activate_version"],
    ),
    "categoryversion_diff": Case(make=second, needs=["view_categoryversion"], post=405),
    "categoryversion_compare": Case(
        make=make_version, needs=["view_categoryversion"], post=405
    ),
    "categoryversion_export_samples": Case(
        make=make_version,
        needs=["view_categoryversion", "view_sample_text"],
        post=405,
    ),
    "categoryversion_measure": Case(
        make=measurable,
        needs=["view_categoryversion", "build_category"],
        get=302,
    ),
    "categoryversion_retire": Case(
        make=make_version, needs=["view_categoryversion", "activate_version"]
    ),
    "categoryversion_reinstate": Case(
        make=retired, needs=["view_categoryversion", "activate_version"]
    ),
    "categoryversion_remove": Case(
        make=make_version, needs=["view_categoryversion", "delete_categoryversion"]
    ),
    "categoryversion_remove_here": Case(
        make=undeletable, needs=["view_categoryversion", "delete_categoryversion"]
    ),
    "buildjob_cancel": Case(
        make=lambda category: make_job(category, "queued"),
        needs=["view_buildjob", "build_category"],
        get=302,
    ),
    "buildjob_again": Case(
        make=lambda category: make_job(category, "needs_attention"),
        needs=["view_buildjob", "build_category"],
        get=302,
    ),
    "policy_live": Case(make=comments, needs=["change_policy"]),
    "policy_shadow": Case(make=comments, needs=["change_policy"]),
    "policy_off": Case(make=comments, needs=["change_policy"]),
    "policy_rejudge": Case(make=comments, needs=["change_policy"]),
    "moderationstate_approve": Case(
        make=lambda category: a_state(),
        needs=["view_moderationstate", "decide_moderationstate"],
        data={"generation": 1},
        get=302,
    ),
    "moderationstate_reject": Case(
        make=lambda category: a_state(),
        needs=["view_moderationstate", "decide_moderationstate"],
        data={"generation": 1},
        get=302,
    ),
    "moderationstate_retry": Case(
        make=lambda category: a_state(),
        needs=["view_moderationstate", "retry_moderationstate"],
        data={"generation": 1},
        get=302,
    ),
}


#: URLs that show a part of a page and change nothing; tested where the page is.
PARTS = {"buildjob_progress"}


def our_urls() -> list[str]:
    """The names of the URLs that our admins add to Django's."""
    names = []
    for model, model_admin in admin.site._registry.items():
        if not isinstance(model_admin, SafetyAdmin):
            continue
        for pattern in model_admin.get_urls():
            name = (pattern.name or "").removeprefix("contentsafety_")
            if name and name.removeprefix(f"{model._meta.model_name}_") not in OWN:
                names.append(name)
    assert set(names) >= PARTS
    return sorted(set(names) - PARTS)


#: Django's own pages of our models, and what each asks for. None: nobody may.
PAGES = ("changelist", "add", "change", "history", "delete")
READ_ONLY = {BuildJob, CategoryVersion, LogEntry, ModerationResult, ModerationState}


def our_pages() -> list[tuple[Any, str]]:
    return [
        (model, page)
        for model, model_admin in admin.site._registry.items()
        if isinstance(model_admin, SafetyAdmin)
        for page in PAGES
    ]


def needed_for(model: Any, page: str) -> list[list[str]]:
    """Any of these sets of permissions opens the page."""
    name = model._meta.model_name
    if page in ("add", "delete"):
        return [] if model in READ_ONLY else [[f"{page}_{name}"]]
    # Who may change something may look at it: so Django has it.
    return [[f"view_{name}"], [f"change_{name}"]]


METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
SAFE = ("get", "head", "options")


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of ours, to say afterwards that none of them has changed."""
    models = django_apps.get_app_config("contentsafety").get_models()
    return {
        model._meta.label: list(model.objects.order_by("pk").values())
        for model in models
    }


def statuses(client: Client, address: str, data: dict[str, Any]) -> dict[str, int]:
    return {
        method: getattr(client, method)(
            address, data if method in ("get", "post") else {}
        ).status_code
        for method in METHODS
    }


def test_every_url_of_ours_has_a_case() -> None:
    assert our_urls() == sorted(CASES)


@pytest.mark.parametrize("name", our_urls())
def test_permissions(
    name: str, staff: Callable[..., Client], category: Category
) -> None:
    case = CASES[name]
    obj = case.make(category)
    address = case.address(name, obj)
    before = everything()

    visitor = User.objects.create_user("visitor", password="x")
    logged_in = Client()
    logged_in.force_login(visitor)
    for nobody in (Client(), logged_in):
        for method in METHODS:
            response = getattr(nobody, method)(address, case.data)
            assert response.status_code == 302, method
            assert response["Location"].startswith(reverse("admin:login"))

    every = [p.codename for p in Permission.objects.exclude(codename__in=case.needs)]
    for permission in case.needs:
        lacking = staff(*(other for other in case.needs if other != permission))
        assert set(statuses(lacking, address, case.data).values()) == {403}, permission
    if len(case.needs) == 2:
        # All the other permissions together don't make up for the one.
        rich = staff(*ours(every), *case.needs[:1])
        assert set(statuses(rich, address, case.data).values()) == {403}
    assert everything() == before

    allowed = staff(*case.needs)
    for method in METHODS:
        if method == "post":
            continue
        expected = case.get if method in ("get", "head") else 405
        response = getattr(allowed, method)(address)
        assert response.status_code == expected, method
        assert everything() == before, f"{method} has changed something"
    response = allowed.post(address, case.data)
    assert response.status_code == case.post
    if case.post == 302:
        assert response["Location"] in (case.page(name, obj), address)
        assert allowed.get(response["Location"]).status_code == 200


def ours(codenames: list[str]) -> list[str]:
    mine = Permission.objects.filter(content_type__app_label="contentsafety")
    return [c for c in mine.values_list("codename", flat=True) if c in codenames]


@pytest.mark.parametrize(
    ("model", "page"),
    our_pages(),
    ids=lambda value: value if isinstance(value, str) else value._meta.model_name,
)
def test_permissions_of_djangos_pages(
    model: Any, page: str, staff: Callable[..., Client], category: Category
) -> None:
    obj = ROWS[model](category)
    args = [] if page in ("changelist", "add") else [obj.pk]
    address = reverse(f"admin:contentsafety_{model._meta.model_name}_{page}", args=args)
    options = needed_for(model, page)
    before = everything()
    assert Client().get(address).status_code == 302
    view = f"view_{model._meta.model_name}"
    opens = {codename for option in options for codename in option}
    every = set(ours([p.codename for p in Permission.objects.all()]))
    poor = staff(*(every - opens))
    assert poor.get(address).status_code == 403
    assert poor.post(address, {"post": "yes"}).status_code == 403
    assert everything() == before
    for option in options:
        client = staff(*option)
        assert client.get(address).status_code == 200
        for method in SAFE:
            assert getattr(client, method)(address).status_code in (200, 405)
        assert everything() == before
    if page in ("changelist", "change", "history"):
        # Who may only look changes nothing, whatever is sent.
        client = staff(view)
        for method in ("post", "put", "patch", "delete"):
            data = {"post": "yes", "action": "delete_selected", "_selected_action": 1}
            answered = getattr(client, method)(
                address, data if method == "post" else {}
            )
            assert answered.status_code < 500
        assert everything() == before


ROWS: dict[Any, Callable[[Category], Any]] = {
    Blocklist: lambda category: Blocklist.objects.create(name="b"),
    BuildJob: lambda category: make_job(category, "queued"),
    Category: lambda category: category,
    CategoryVersion: make_version,
    LogEntry: lambda category: LogEntry.objects.create(event="e"),
    ModerationResult: lambda category: ModerationResult.objects.create(
        model="testapp.comment",
        object_key="1",
        policy="comments",
        state_id=1,
        generation=1,
        round=0,
        source="default",
    ),
    ModerationState: lambda category: a_state(),
    Policy: comments,
    Sample: lambda category: Sample.objects.create(category=category, text="text"),
}


@pytest.mark.parametrize("name", our_urls())
def test_a_button_is_hidden_without_its_permission(
    name: str, staff: Callable[..., Client], category: Category
) -> None:
    case = CASES[name]
    obj = case.make(category)
    address, page = case.address(name, obj), case.page(name, obj)
    view = f"view_{name.partition('_')[0]}"
    if case.needs != [view]:
        assert address not in staff(view).get(page).content.decode()
    if case.button and name != "policy_shadow":  # It is in shadow.
        assert address in staff(view, *case.needs).get(page).content.decode()


@pytest.mark.parametrize("name", our_urls())
def test_what_is_not_there(name: str, root: Client) -> None:
    if CASES[name].make(Category.objects.create(name="c", definition="d")) is None:
        return
    for pk in ("0", "x"):
        address = reverse(f"admin:contentsafety_{name}", args=[pk])
        assert root.post(address, {}).status_code in (404, 405)
        assert root.get(address).status_code == 404


@pytest.mark.parametrize("name", our_urls())
def test_a_post_needs_its_token(name: str, superuser: Any, category: Category) -> None:
    case = CASES[name]
    obj = case.make(category)
    client = Client(enforce_csrf_checks=True)
    client.force_login(superuser)
    address = case.address(name, obj)
    assert client.post(address, case.data).status_code == 403


def test_the_roles_of_the_documentation_have_just_what_they_say() -> None:
    """docs/howto/roles.md names permissions that exist, and leaves none of ours out."""
    text = (ROOT / "docs/howto/roles.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:view|add|change|delete)_\w+|\w+_\w+)`", text))
    known = set(ours([p.codename for p in Permission.objects.all()]))
    own = {
        codename
        for model in django_apps.get_app_config("contentsafety").get_models()
        for codename, _words in model._meta.permissions
    }
    assert named <= known
    assert own <= named


# The texts of samples


@pytest.fixture
def sample(category: Category) -> Sample:
    return Sample.objects.create(category=category, text="very secret words")


def test_samples_are_masked_without_the_permission(
    staff: Callable[..., Client], sample: Sample
) -> None:
    client = staff("view_sample", "change_sample", "delete_sample", "add_sample")
    for page, args in (
        ("changelist", []),
        ("change", [sample.pk]),
        ("delete", [sample.pk]),
        ("history", [sample.pk]),
    ):
        response = client.get(reverse(f"admin:contentsafety_sample_{page}", args=args))
        assert response.status_code == 200
        assert "secret" not in words(response)
    listed = reverse("admin:contentsafety_sample_changelist")
    for lookup in ("text__startswith=v", "text=x", "text_hash=x", "source_key=x"):
        assert client.get(f"{listed}?{lookup}").status_code in (302, 400)
    # A search would tell whether the text holds the word.
    assert client.get(f"{listed}?q=nosuchword").context["cl"].result_count == 1
    change = reverse("admin:contentsafety_sample_change", args=[sample.pk])
    assert client.post(change, {"text": "x"}).status_code == 403


def test_samples_are_shown_and_found_with_it(
    staff: Callable[..., Client], sample: Sample
) -> None:
    client = staff("view_sample", "view_sample_text")
    listed = reverse("admin:contentsafety_sample_changelist")
    assert "very secret words" in words(client.get(listed))
    assert client.get(f"{listed}?q=nosuchword").context["cl"].result_count == 0
    assert client.get(f"{listed}?text__startswith=v").status_code == 200


def test_a_deleted_sample_leaves_no_text_in_the_history(
    root: Client, sample: Sample
) -> None:
    from django.contrib.admin.models import LogEntry

    page = reverse("admin:contentsafety_sample_delete", args=[sample.pk])
    root.post(page, {"post": "yes"}, follow=True)
    assert "secret" not in LogEntry.objects.get().object_repr


def test_worst_errors_need_the_permission(
    staff: Callable[..., Client], category: Category
) -> None:
    version = make_version(category)
    page = reverse("admin:contentsafety_categoryversion_change", args=[version.pk])
    text = "double your coins"
    plain = staff("view_categoryversion")
    assert text not in words(plain.get(page))
    assert text in words(staff("view_categoryversion", "view_sample_text").get(page))
