"""Who sees what: unknown, pending, shadow, live; and the author their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connections
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext

from django_contentsafety import visible
from django_contentsafety.flows import review
from django_contentsafety.flows.moderate import drain
from django_contentsafety.models import Coverage, DbNow, ModerationState, Policy
from tests.policies import make_policy, script, state_of
from tests.testapp.models import Bulletin, Comment, CommentProxy, Note, Page, Photo

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture(autouse=True)
def live_policy() -> Policy:
    script()
    return make_policy()


def sees(using: str, user: Any = None, model: Any = Comment) -> bool:
    return visible(model.objects.using(using), user).exists()


def put(using: str, **columns: Any) -> None:
    """Bring the one state row there is into a state."""
    ModerationState.objects.using(using).update(**columns)


#: (policy's answers, the row's columns, shown to a stranger, shown to its author)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], bool, bool]] = {
    "allowed": ({}, {"decision": "allow", "decided_generation": 1}, True, True),
    "held": ({}, {"decision": "review", "decided_generation": 1}, False, True),
    "blocked": ({}, {"decision": "block", "decided_generation": 1}, False, True),
    "blocked, nobody sees": (
        {"on_pending": "hide"},
        {"decision": "block", "decided_generation": 1},
        False,
        False,
    ),
    "pending": ({}, {}, False, True),
    "pending, hide": ({"on_pending": "hide"}, {}, False, False),
    "pending, show": ({"on_pending": "show"}, {}, True, True),
    "being checked": ({}, {"state": "leased"}, False, True),
    "edited after allow": (
        {},
        {"decision": "allow", "decided_generation": 1, "generation": 2},
        False,
        True,
    ),
    "edited after allow, show previous": (
        {"on_pending": "show_previous"},
        {"decision": "allow", "decided_generation": 1, "generation": 2},
        True,
        True,
    ),
    "edited after block, show previous": (
        {"on_pending": "show_previous"},
        {"decision": "block", "decided_generation": 1, "generation": 2},
        False,
        False,
    ),
    "edited after block, show": (
        {"on_pending": "show"},
        {"decision": "block", "decided_generation": 1, "generation": 2},
        True,
        True,
    ),
    "another round after allow": (
        {"on_pending": "hide"},
        {"decision": "allow", "decided_generation": 1, "round": 1},
        True,
        True,
    ),
    "another round after block": (
        {"on_pending": "show"},
        {"decision": "block", "decided_generation": 1, "round": 1},
        False,
        False,
    ),
    "outage, same as pending": ({}, {"first_pending_at": "old"}, False, True),
    "outage, fail open": (
        {"on_outage": "show"},
        {"first_pending_at": "old"},
        True,
        True,
    ),
    "not yet an outage": ({"on_outage": "show"}, {}, False, True),
    "outage, fail closed": (
        {"on_pending": "show", "on_outage": "hide"},
        {"first_pending_at": "old"},
        False,
        False,
    ),
    "exhausted": ({}, {"state": "exhausted"}, False, True),
    "exhausted, fail open": (
        {"on_exhausted": "show", "on_pending": "hide"},
        {"state": "exhausted"},
        True,
        True,
    ),
    "exhausted in another round": (
        {},
        {"state": "exhausted", "decision": "allow", "decided_generation": 1},
        True,
        True,
    ),
    "exempt": ({"on_pending": "hide"}, {"state": "exempt"}, True, True),
}


@pytest.mark.parametrize("covered", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_who_sees_what(
    using: str, case: str, covered: bool, django_user_model: Any
) -> None:
    answers, columns, stranger, own = CASES[case]
    if columns.get("first_pending_at") == "old":
        columns = {"first_pending_at": DbNow() - timedelta(seconds=301)}
    Policy.objects.update(**answers)
    users = django_user_model.objects.db_manager(using)
    author, other = users.create(username="author"), users.create(username="other")
    Comment.objects.using(using).create(body="b", author=author)
    put(using, **columns)
    if covered:
        Coverage.objects.using(using).create(
            model="testapp.comment", policy="comments", completed_at=DbNow()
        )
    assert sees(using) is stranger
    assert sees(using, AnonymousUser()) is stranger
    assert sees(using, other) is stranger
    assert sees(using, author) is own
    assert Comment.objects.using(using).visible(author).exists() is own


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_only_a_live_policy_hides(using: str, mode: str) -> None:
    Policy.objects.update(mode=mode)
    Comment.objects.using(using).create(body="bad")
    drain(using)
    assert sees(using)


def test_an_unknown_object_is_shown_until_all_are_known(using: str) -> None:
    """The first day on an existing site: nothing disappears."""
    Comment.objects.using(using).create(body="b")
    ModerationState.objects.using(using).all().delete()
    assert sees(using)
    coverage = Coverage.objects.using(using).create(
        model="testapp.comment", policy="comments"
    )
    assert sees(using)
    Coverage.objects.using(using).filter(pk=coverage.pk).update(completed_at=DbNow())
    assert not sees(using)


def test_unknown_can_be_hidden_from_the_start(using: str) -> None:
    Policy.objects.update(on_unknown="hide")
    Comment.objects.using(using).create(body="b")
    ModerationState.objects.using(using).all().delete()
    assert not sees(using)


@pytest.mark.parametrize("model", [Note, Page])
def test_every_kind_of_key(using: str, model: Any) -> None:
    keys = {"pk": "A key"} if model is Page else {}
    model(text="bad", **keys).save(using=using)
    other = {"pk": "another"} if model is Page else {}
    fine = model(text="fine", **other)
    fine.save(using=using)
    drain(using)
    assert list(visible(model.objects.using(using))) == [fine]


def test_a_text_has_the_key_of_the_row_it_went_to(using: str) -> None:
    """By MariaDB's usual collation KEY-1 is key-1: one row, and the text is in it."""
    for key, text in (("KEY-1", "fine"), ("key-1", "bad")):
        Page(pk=key, text=text).save(using=using)
        drain(using)
    assert not visible(Page.objects.using(using)).filter(text="bad").exists()


@pytest.mark.parametrize("model", [CommentProxy, Photo])
def test_proxies_and_children_are_hidden_as_well(using: str, model: Any) -> None:
    model(body="bad").save(using=using)
    drain(using)
    assert not sees(using, model=model)
    assert not sees(using)


def test_every_live_policy_must_agree(using: str) -> None:
    for slug in ("titles", "bodies"):
        make_policy(slug)
    Bulletin.objects.using(using).create(title="fine", body="bad")
    drain(using)
    assert not visible(Bulletin.objects.using(using)).exists()
    Policy.objects.filter(slug="bodies").update(mode="shadow")
    assert visible(Bulletin.objects.using(using)).exists()


def test_a_review_changes_what_is_seen(using: str) -> None:
    obj = Comment.objects.using(using).create(body="dubious")
    drain(using)
    assert not sees(using)
    review.approve(state_of(obj).pk, using=using, generation=1, by="7")
    assert sees(using)


def test_visible_costs_three_queries_however_many_rows(using: str) -> None:
    for _ in range(5):
        Comment.objects.using(using).create(body="fine")
    drain(using)
    others = [alias for alias in connections if alias not in (using, "default")]
    contexts = {
        alias: CaptureQueriesContext(connections[alias]) for alias in connections
    }
    for context in contexts.values():
        context.__enter__()
    assert len(visible(Comment.objects.using(using))) == 5
    for context in contexts.values():
        context.__exit__(None, None, None)
    assert sum(len(context) for context in contexts.values()) == 3
    assert not any(len(contexts[alias]) for alias in others)


# ANALYZE TABLE commits.
@pytest.mark.django_db(transaction=True, databases="__all__")
def test_visible_uses_the_unique_index(using: str) -> None:
    for _ in range(300):
        Comment.objects.using(using).create(body="fine")
    with connections[using].cursor() as cursor:
        cursor.execute(
            "ANALYZE TABLE contentsafety_moderationstate"
            if using == "mariadb"
            else "ANALYZE contentsafety_moderationstate"
        )
        if using == "postgresql":  # Which prefers to scan so small a table.
            cursor.execute("SET enable_seqscan = off")
    plan = visible(Comment.objects.using(using)).order_by("pk")[:25].explain()
    if using == "postgresql":
        connections[using].close()
    sqlite = connections[using].vendor == "sqlite"
    name = "sqlite_autoindex_contentsafety_moderationstate_1"
    assert (name if sqlite else "contentsafety_state_once") in plan


# --- The template tag -------------------------------------------------------------


def status(obj: Any, user: Any = None) -> str:
    template = Template(
        "{% load contentsafety %}{% moderation_status obj user as s %}"
        "{{ s.decision }}|{{ s.state }}|{{ s.visible }}"
    )
    return template.render(Context({"obj": obj, "user": user}))


@pytest.mark.parametrize(
    ("body", "expected"),
    [("fine", "allow|done|True"), ("dubious", "review|done|False")],
)
def test_the_tag_says_what_was_decided(using: str, body: str, expected: str) -> None:
    obj = Comment.objects.using(using).create(body=body)
    assert status(obj) == "|pending|False"
    drain(using)
    assert status(obj) == expected


def test_the_tag_knows_nothing_of_what_is_not_moderated(using: str) -> None:
    obj = Comment.objects.using(using).create(body="b", is_draft=True)
    assert status(obj) == "allow|done|True"


def test_the_tag_says_nothing_of_what_it_does_not_know(using: str) -> None:
    obj = Comment.objects.using(using).create(body="b")
    ModerationState.objects.using(using).all().delete()
    assert status(obj) == "||True"


def test_the_tag_in_shadow(using: str) -> None:
    Policy.objects.update(mode="shadow")
    obj = Comment.objects.using(using).create(body="bad")
    drain(using)
    assert status(obj) == "allow|done|True"


def test_the_filter(using: str) -> None:
    Comment.objects.using(using).create(body="bad")
    Comment.objects.using(using).create(body="fine")
    drain(using)
    template = Template(
        "{% load contentsafety %}"
        "{% for c in all|visible:user %}{{ c.body }}{% endfor %}"
    )
    context = Context({"all": Comment.objects.using(using), "user": None})
    assert template.render(context) == "fine"
