"""A person looks at a held text and decides, or has it checked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.test import Client, RequestFactory
from django.urls import reverse

from django_contentsafety.admin.display import object_link
from django_contentsafety.flows import moderate
from django_contentsafety.models import (
    LogEntry,
    ModerationResult,
    ModerationState,
    Policy,
    Review,
)
from django_contentsafety.providers import providers
from tests.admin.conftest import said, words
from tests.admin.test_story import url
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db

LIST = reverse("admin:contentsafety_moderationstate_changelist")


@pytest.fixture
def held(policy: Policy) -> ModerationState:
    """A comment that the default rules block."""
    providers["default"].script = lambda text: {"Hate": 7 if "bad" in text else 0}
    Comment.objects.create(title="Hello", body="a bad word")
    moderate.drain("default")
    return ModerationState.objects.get()


@pytest.mark.parametrize(
    ("page", "decision"), [("approve", "allow"), ("reject", "block")]
)
def test_a_decision_with_its_note(
    root: Client, held: ModerationState, page: str, decision: str
) -> None:
    data = {"generation": held.generation, "note": "seen"}
    response = root.post(url(page, held), data, follow=True)
    assert response.status_code == 200
    held.refresh_from_db()
    assert (held.decision, held.decided_by) == (decision, "person")
    review = Review.objects.get()
    assert (review.note, review.reviewer_key) == ("seen", str(User.objects.get().pk))
    page_words = words(response)
    assert "seen" in page_words
    assert "by person" in page_words


def test_the_way_back_from_the_login_ends_at_the_text(
    root: Client, held: ModerationState
) -> None:
    response = root.get(url("approve", held), follow=True)
    assert response.redirect_chain == [(url("change", held), 302)]
    assert "Nothing was done: press “Approve” again." in said(response)
    assert not Review.objects.exists()


@pytest.mark.parametrize("page", ["approve", "reject", "retry"])
def test_a_text_that_changed_is_not_decided_unseen(
    root: Client, held: ModerationState, page: str
) -> None:
    seen = held.generation
    comment = Comment.objects.get()
    comment.body = "worse"
    comment.save()
    response = root.post(url(page, held), {"generation": seen}, follow=True)
    assert "changed since you opened it" in said(response)
    held.refresh_from_db()
    assert held.decided_by == "machine"
    assert not Review.objects.exists()


@pytest.mark.parametrize(
    "data", [{}, {"generation": "x"}, {"generation": "1", "note": "a" * 1001}]
)
def test_a_malformed_form_decides_nothing(
    root: Client, held: ModerationState, data: dict[str, str]
) -> None:
    response = root.post(url("approve", held), data, follow=True)
    assert "Nothing was done" in said(response)
    assert not Review.objects.exists()


def test_checking_again_wakes(
    root: Client, held: ModerationState, settings: Any
) -> None:
    settings.CONTENTSAFETY_WAKE = "inline"
    providers["default"].script = lambda text: {}
    response = root.post(
        url("retry", held), {"generation": held.generation}, follow=True
    )
    assert "is checked again" in said(response)
    held.refresh_from_db()
    assert (held.state, held.decision, held.round) == ("done", "allow", 1)


def test_the_page_shows_text_answers_and_history(
    root: Client, held: ModerationState
) -> None:
    response = root.get(url("change", held))
    page = words(response)
    assert "a bad word" in page
    assert "Hate" in page
    assert "severity" in page
    assert "decided" in page
    assert "no-store" in response["Cache-Control"]


def test_spans_are_marked(root: Client, held: ModerationState) -> None:
    ModerationResult.objects.all().erase_texts()
    result = ModerationResult.objects.get()
    ModerationResult.objects.bulk_create(
        [
            ModerationResult(
                model=result.model,
                object_key=result.object_key,
                policy=result.policy,
                state_id=result.state_id,
                generation=result.generation,
                round=result.round,
                source="other",
                spans=[{"field": "body", "start": 2, "end": 5, "category": "Hate"}],
                # As the spans of a blocklist are stored.
                hits=[
                    {
                        "blocklist": "words",
                        "decision": "block",
                        "field": "body",
                        "start": 4,
                        "end": 10,
                    }
                ],
            )
        ]
    )
    page = root.get(url("change", held)).content.decode()
    assert '<mark class="cs-mark-3" title="Hate">ba</mark>' in page
    assert '<mark class="cs-mark-3" title="Hate, words">d</mark>' in page
    assert '<mark class="cs-mark-3" title="words"> word</mark>' in page


def test_without_the_permission_no_text(
    staff: Callable[..., Client], held: ModerationState
) -> None:
    Review.objects.create(
        model=held.model,
        object_key=held.object_key,
        policy=held.policy,
        state_id=held.pk,
        generation=1,
        decision="block",
        reviewer_key="1",
        note="said a bad word",
    )
    client = staff("view_moderationstate", "view_moderationresult")
    page = words(client.get(url("change", held)))
    assert "contentsafety.view_moderated_text" in page
    assert "bad" not in page
    result = ModerationResult.objects.get()
    assert result.text is not None
    assert "bad" not in words(client.get(url("change", result)))
    for lookup in ("text__startswith=a", "spans=x", "raw=x"):
        listed = client.get(
            reverse("admin:contentsafety_moderationresult_changelist") + f"?{lookup}"
        )
        assert listed.status_code in (302, 400)


def test_a_withheld_text_names_the_setting(root: Client, held: ModerationState) -> None:
    ModerationResult.objects.all().erase_texts()
    comment = Comment.objects.get()
    comment.body = "fine"
    comment.save()
    page = words(root.get(url("change", held)))
    assert "CONTENTSAFETY_STORE_TEXT is “review_only”" in page


def test_a_change_that_no_signal_told_is_said(
    root: Client, held: ModerationState
) -> None:
    # Not our queryset's update(), which submits what it changes.
    QuerySet(Comment).update(body="another")
    assert "nothing was told of" in words(root.get(url("change", held)))


def test_an_object_that_is_gone(root: Client, held: ModerationState) -> None:
    Comment.objects.all()._raw_delete("default")
    assert "the object is gone" in words(root.get(url("change", held)))


def test_rows_are_read_only(root: Client, held: ModerationState) -> None:
    for page in ("change", "delete"):
        assert root.post(url(page, held), {"post": "yes"}).status_code == 403
    add = reverse("admin:contentsafety_moderationstate_add")
    assert root.get(add).status_code == 403
    for row in (LogEntry.objects.first(), ModerationResult.objects.first()):
        assert root.get(url("change", row)).status_code == 200
        for page in ("change", "delete"):
            assert root.post(url(page, row), {"post": "yes"}).status_code == 403


# Lists


def act(root: Client, action: str, states: list[ModerationState], **extra: Any) -> Any:
    data = {
        "action": f"{action}_selected",
        "_selected_action": [state.pk for state in states],
        **{f"generation-{state.pk}": state.generation for state in states},
        **extra,
    }
    return root.post(LIST, data, follow=True)


@pytest.fixture
def three(held: ModerationState) -> list[ModerationState]:
    Comment.objects.create(body="bad too")
    Comment.objects.create(body="bad three")
    moderate.drain("default")
    return list(ModerationState.objects.order_by("pk"))


def test_actions_decide_what_the_page_showed(
    root: Client, three: list[ModerationState]
) -> None:
    comment = Comment.objects.get(body="bad too")
    comment.body = "other"
    comment.save()
    response = act(root, "approve", three)
    assert "2 texts are done." in said(response)
    assert "1 text was skipped: it changed" in said(response)
    assert [s.decision for s in ModerationState.objects.order_by("pk")] == [
        "allow",
        "block",
        "allow",
    ]


def test_all_pages_means_those_on_this_one(
    root: Client, three: list[ModerationState]
) -> None:
    response = act(root, "reject", three[:1], select_across="1")
    assert "1 text is done." in said(response)
    assert "2 texts were skipped: they were not on the page." in said(response)
    assert Review.objects.count() == 1


def test_the_retry_action(root: Client, three: list[ModerationState]) -> None:
    assert "3 texts are done." in said(act(root, "retry", three))
    assert set(ModerationState.objects.values_list("state", flat=True)) == {"pending"}


def test_actions_ask_for_their_permission(
    staff: Callable[..., Client], held: ModerationState
) -> None:
    client = staff("view_moderationstate", "retry_moderationstate")
    page = client.get(LIST).content.decode()
    assert "retry_selected" in page
    assert "approve_selected" not in page
    act(client, "approve", [held])
    assert not Review.objects.exists()


def test_objects_are_linked_for_those_who_may_see_them(
    rf: RequestFactory, superuser: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "django_contentsafety.admin.display.reverse",
        lambda name, args: f"/{name}/{args[0]}",
    )
    site = AdminSite()
    request = rf.get("/")
    request.user = superuser
    plain = "Comment 7"
    assert object_link(site, request, "testapp.comment", "7") == plain
    site.register(Comment)
    linked = f'<a href="/admin:testapp_comment_change/7">{plain}</a>'
    assert object_link(site, request, "testapp.comment", "7") == linked
    assert object_link(site, request, "testapp.comment", "x") == "Comment x"
    assert object_link(site, request, "gone.model", "7") == "Gone.model 7"
    request.user = User.objects.create_user("staff", is_staff=True)
    assert object_link(site, request, "testapp.comment", "7") == plain


def test_a_search_with_nul_is_no_server_error(
    root: Client, held: ModerationState
) -> None:
    assert root.get(LIST, {"q": "a\0b"}).status_code == 200


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("{key}", True),
        ("testapp.comment {key}", True),
        ("testapp", True),
        ("comments", True),
        ("{key} comments", True),
        ("{key}0", False),
        ("note {key}", False),
        ("   ", True),
    ],
)
def test_search(root: Client, held: ModerationState, term: str, found: bool) -> None:
    response = root.get(LIST, {"q": term.format(key=held.object_key)})
    assert response.status_code == 200
    results = response.context["cl"].result_list if "cl" in response.context else []
    assert bool(results) is found


@pytest.mark.parametrize(
    "query",
    ["state=done", "decision=block", "policy=comments", "model=testapp.comment"],
)
def test_filters(root: Client, held: ModerationState, query: str) -> None:
    name, value = query.split("=")
    name = {"state": "state__exact", "decision": "decision__exact"}.get(name, name)
    assert root.get(LIST, {name: value}).context["cl"].result_count == 1
    other = {"state": "exempt", "decision": "review", "model": "testapp.note"}
    response = root.get(
        LIST, {name: other.get(name.split("__")[0], "posts")}, follow=True
    )
    assert response.context["cl"].result_count == 0


def test_visiting_the_list_takes_leftovers(
    root: Client, policy: Policy, settings: Any
) -> None:
    Comment.objects.create(body="left over")
    assert ModerationState.objects.get().state == "pending"
    settings.CONTENTSAFETY_WAKE = "inline"
    root.get(LIST)
    assert ModerationState.objects.get().state == "done"
