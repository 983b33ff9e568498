"""Every URL of ours: nobody, staff without the permission, staff with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from django_contentsafety.admin.base import SafetyAdmin
from django_contentsafety.flows.submit import submit
from django_contentsafety.models import Category, ModerationState, Policy, Sample
from django_contentsafety.registry import registry
from tests.admin.conftest import make_job, make_version, words
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db

#: Pages that Django's own admin has, with permissions of its own.
OWN = {"changelist", "add", "history", "delete", "change"}


def a_state() -> ModerationState:
    comment = Comment.objects.create(body="hello")
    submit(comment, registry.get(Comment), using="default", inserted=False)
    return ModerationState.objects.get()


#: URL name → (what it is about, the permissions it asks for, the data of a POST).
CASES: dict[str, tuple[Callable[[Category], Any], list[str], dict[str, Any]]] = {
    "category_upload": (
        lambda category: category,
        ["view_category", "add_sample"],
        # A file answers with its preview; this is what is confirmed, too late.
        {"token": "stale"},
    ),
    "category_freeze": (
        lambda category: category,
        ["view_category", "build_category"],
        {},
    ),
    "categoryversion_build": (
        lambda category: make_version(category, ready=False),
        ["view_categoryversion", "build_category"],
        {},
    ),
    "categoryversion_activate": (
        make_version,
        ["view_categoryversion", "activate_version"],
        {},
    ),
    "categoryversion_compare": (make_version, ["view_categoryversion"], {}),
    "buildjob_cancel": (
        lambda category: make_job(category, "queued"),
        ["view_buildjob", "build_category"],
        {},
    ),
    "buildjob_again": (
        lambda category: make_job(category, "needs_attention"),
        ["view_buildjob", "build_category"],
        {},
    ),
    "policy_live": (
        lambda category: Policy.objects.get(slug="comments"),
        ["change_policy"],
        {},
    ),
    "policy_shadow": (
        lambda category: Policy.objects.get(slug="comments"),
        ["change_policy"],
        {},
    ),
    "policy_off": (
        lambda category: Policy.objects.get(slug="comments"),
        ["change_policy"],
        {},
    ),
    "moderationstate_approve": (
        lambda category: a_state(),
        ["view_moderationstate", "decide_moderationstate"],
        {"generation": 1},
    ),
    "moderationstate_reject": (
        lambda category: a_state(),
        ["view_moderationstate", "decide_moderationstate"],
        {"generation": 1},
    ),
    "moderationstate_retry": (
        lambda category: a_state(),
        ["view_moderationstate", "retry_moderationstate"],
        {"generation": 1},
    ),
}


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
    return sorted(names)


def test_every_url_of_ours_has_a_case() -> None:
    assert our_urls() == sorted(CASES)


@pytest.mark.parametrize("name", our_urls())
def test_permissions(
    name: str, staff: Callable[..., Client], category: Category
) -> None:
    make, needed, data = CASES[name]
    obj = make(category)
    address = reverse(f"admin:contentsafety_{name}", args=[obj.pk])

    response = Client().post(address, data)
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))

    for permission in needed:
        lacking = staff(*(other for other in needed if other != permission))
        assert lacking.post(address, data).status_code == 403
        assert lacking.get(address).status_code == 403

    allowed = staff(*needed)
    assert allowed.get(address).status_code in (200, 302)
    response = allowed.post(address, data)
    assert response.status_code == 302
    assert response["Location"].endswith("/change/")
    assert allowed.get(response["Location"]).status_code == 200


@pytest.mark.parametrize("name", our_urls())
def test_a_button_is_hidden_without_its_permission(
    name: str, staff: Callable[..., Client], category: Category
) -> None:
    make, needed, _data = CASES[name]
    obj = make(category)
    address = reverse(f"admin:contentsafety_{name}", args=[obj.pk])
    change = reverse(
        f"admin:contentsafety_{obj._meta.model_name}_change", args=[obj.pk]
    )
    view = f"view_{obj._meta.model_name}"
    if needed != [view]:  # Who sees the page may compare it.
        assert address not in staff(view).get(change).content.decode()
    if name != "policy_shadow":  # It is in shadow.
        assert address in staff(view, *needed).get(change).content.decode()


@pytest.mark.parametrize("name", our_urls())
def test_what_is_not_there(name: str, root: Client) -> None:
    for pk in ("0", "x"):
        address = reverse(f"admin:contentsafety_{name}", args=[pk])
        assert root.post(address, {}).status_code == 404


@pytest.mark.parametrize("name", our_urls())
def test_a_post_needs_its_token(name: str, superuser: Any, category: Category) -> None:
    make, _needed, data = CASES[name]
    obj = make(category)
    client = Client(enforce_csrf_checks=True)
    client.force_login(superuser)
    address = reverse(f"admin:contentsafety_{name}", args=[obj.pk])
    assert client.post(address, data).status_code == 403


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
