"""No hole in the fence: what signals never see is submitted at once, or found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_contentsafety import visible
from django_contentsafety.exceptions import BulkRefused
from django_contentsafety.flows import reconcile as module
from django_contentsafety.flows.moderate import drain
from django_contentsafety.flows.reconcile import reconcile
from django_contentsafety.models import Coverage, DbNow, ModerationState, Policy
from tests.policies import make_policy, raw_update, script, state_of
from tests.testapp.models import Comment, Note, Page, Post

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def live_policy() -> Policy:
    script()
    return make_policy()


def unseen(using: str, count: int = 1, body: str = "old") -> list[Comment]:
    """Objects that were there before the package, or came by raw SQL."""
    objs = [Comment(body=body) for _ in range(count)]
    return Comment.objects.using(using).bulk_create(objs, contentsafety="reconcile")


def waiting(using: str) -> int:
    return ModerationState.objects.using(using).pending().count()


# --- Bulk writes ------------------------------------------------------------------


def test_a_bulk_create_reads_no_state(using: str) -> None:
    with CaptureQueriesContext(connections[using]) as queries:
        Comment.objects.using(using).bulk_create([Comment(body="b"), Comment(body="c")])
    ours = [q["sql"] for q in queries if "contentsafety_moderationstate" in q["sql"]]
    assert len(ours) == 2
    assert all(sql.startswith("INSERT") for sql in ours)


def test_a_blind_bulk_create_is_refused_with_the_remedy(using: str) -> None:
    with pytest.raises(BulkRefused, match='contentsafety="reconcile"'):
        Comment.objects.using(using).bulk_create(
            [Comment(body="b")], ignore_conflicts=True
        )
    assert not Comment.objects.using(using).exists()


def test_a_database_that_gives_no_keys_back(using: str, monkeypatch: Any) -> None:
    """MySQL, which has no RETURNING."""
    features = type(connections[using].features)
    monkeypatch.setattr(features, "can_return_rows_from_bulk_insert", False)
    with pytest.raises(BulkRefused, match="keys"):
        Comment.objects.using(using).bulk_create([Comment(body="b")])
    Page.objects.using(using).bulk_create([Page(pk="given", text="b")])
    assert waiting(using) == 1


def test_what_is_left_to_the_reconciler_makes_coverage_incomplete(using: str) -> None:
    reconcile(using)
    assert complete(using)
    obj = Comment.objects.using(using).create(body="b")
    Comment.objects.using(using).update(body="c", contentsafety="reconcile")
    assert not complete(using)
    assert reconcile(using).found == {"testapp.comment": 1}
    assert state_of(obj).generation == 2


def test_a_model_that_is_not_moderated_is_left_alone(using: str, settings: Any) -> None:
    settings.CONTENTSAFETY_ENABLED = False
    Comment.objects.using(using).bulk_create([Comment(body="b")], ignore_conflicts=True)
    Comment.objects.using(using).update(body="c")
    assert not ModerationState.objects.using(using).exists()


# --- The reconciler ---------------------------------------------------------------


def complete(using: str, model: str = "testapp.comment") -> bool:
    rows = Coverage.objects.using(using).filter(model=model, policy="comments")
    return rows.filter(completed_at__isnull=False).exists()


def test_it_finds_objects_without_a_state(using: str) -> None:
    unseen(using, 3)
    Note.objects.using(using).bulk_create([Note(text="b")], contentsafety="reconcile")
    Post.objects.using(using).bulk_create([Post(headline="a", text="b")])
    found = reconcile(using).found
    assert found == {"testapp.comment": 3, "testapp.note": 1, "testapp.post": 1}
    assert waiting(using) == 5
    assert reconcile(using).found == {}


def test_it_finds_texts_that_moved_on(using: str) -> None:
    obj = Comment.objects.using(using).create(body="fine")
    Comment.objects.using(using).create(body="as it was")
    drain(using)
    raw_update(obj, "bad")
    assert reconcile(using).found == {"testapp.comment": 1}
    drain(using)
    assert state_of(obj).decision == "block"


def test_it_goes_on_where_it_stopped(using: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "STEP", 2)
    unseen(using, 5)
    reconcile(using, limit=2)
    assert waiting(using) == 2
    assert not complete(using)
    reconcile(using, limit=2)
    assert waiting(using) == 4
    reconcile(using)
    assert waiting(using) == 5


@pytest.mark.parametrize("model", [Note, Page])
def test_it_walks_every_kind_of_key(using: str, model: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "STEP", 2)
    keys = [{"pk": f"page {n}"} if model is Page else {} for n in range(5)]
    model.objects.using(using).bulk_create(
        [model(text="b", **key) for key in keys], contentsafety="reconcile"
    )
    assert reconcile(using).found == {model._meta.label_lower: 5}


def test_it_leaves_drafts_alone(using: str) -> None:
    Comment.objects.using(using).bulk_create(
        [Comment(body="b", is_draft=True)], contentsafety="reconcile"
    )
    assert reconcile(using).found == {}
    assert ModerationState.objects.using(using).get().state == "exempt"


def test_a_pass_a_day(using: str) -> None:
    unseen(using)
    reconcile(using)
    drain(using)
    reconcile(using)
    obj = Comment.objects.using(using).get()
    raw_update(obj, "bad")
    assert reconcile(using).found == {}
    Coverage.objects.using(using).update(
        pass_started_at=DbNow() - timedelta(hours=24, seconds=1)
    )
    assert reconcile(using).found == {"testapp.comment": 1}
    # The first pass was complete: this one makes nobody unknown again.
    assert complete(using)


def test_new_texts_come_before_what_it_finds(using: str) -> None:
    unseen(using)
    reconcile(using)
    Comment.objects.using(using).create(body="new")
    rows = ModerationState.objects.using(using).order_by("priority")
    assert [row.priority for row in rows] == [0, 20]


# --- The first day on an existing site --------------------------------------------


def test_going_live_changes_no_page_until_coverage_is_complete(
    using: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, "STEP", 2)
    unseen(using, 5)
    unseen(using, 1, "bad")
    comments = Comment.objects.using(using)
    assert visible(comments).count() == 6
    for _ in range(4):
        reconcile(using, limit=2)
        assert visible(comments).count() == 6
    assert waiting(using) == 6
    drain(using, limit=1, seconds=0.0001)
    assert visible(comments).count() == 6
    drain(using)
    assert waiting(using) == 0
    assert visible(comments).count() == 6
    reconcile(using)
    assert complete(using)
    assert visible(comments).count() == 5


def test_after_coverage_an_unseen_object_waits_for_its_decision(using: str) -> None:
    reconcile(using)
    assert complete(using)
    with connections[using].cursor() as cursor:
        cursor.execute(
            "INSERT INTO testapp_comment (title, body, views, is_draft) "
            "VALUES ('', 'bad', 0, %s)",
            [False],
        )
    assert not visible(Comment.objects.using(using)).exists()


def test_an_edit_of_an_old_text_waits_like_any_edit(using: str) -> None:
    (obj,) = unseen(using)
    reconcile(using)
    assert visible(Comment.objects.using(using)).exists()
    obj = Comment.objects.using(using).get()
    obj.body = "edited"
    obj.save()
    assert not visible(Comment.objects.using(using)).exists()


def test_it_finds_drafts_that_were_published(using: str) -> None:
    """By a way that sends no signal: the text is the same, and was never judged."""
    drafts = [
        Comment.objects.using(using).create(body="bad", is_draft=True) for _ in "ab"
    ]
    queryset = Comment.objects.using(using).filter(pk=drafts[0].pk)
    queryset.update(is_draft=False, contentsafety="reconcile")
    assert reconcile(using).found == {"testapp.comment": 1}
    drain(using)
    assert [state_of(obj).decision for obj in drafts] == ["block", ""]
    assert reconcile(using).found == {}
