"""The save path: every write leaves exactly the rows it should, in its transaction."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection as default_connection, connections, models, transaction
from django.db.models.signals import post_save, pre_save
from django.db.transaction import TransactionManagementError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.urls import path

from django_contentsafety import receivers, tasks
from django_contentsafety.models import ModerationResult, ModerationState
from django_contentsafety.registry import registry
from tests.policies import state_of
from tests.testapp.models import Bulletin, Comment, CommentProxy, Photo
from tests.writes import WRITES, Waiting

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def waiting(using: str) -> Waiting:
    rows = ModerationState.objects.using(using).exclude(state="exempt")
    return {(r.model, r.object_key, r.policy): r.generation for r in rows}


# --- The matrix -------------------------------------------------------------------


def in_autocommit(write: Callable[[], Waiting], using: str) -> Waiting:
    return write()


def in_atomic(write: Callable[[], Waiting], using: str) -> Waiting:
    with transaction.atomic(using):
        return write()


def in_a_request(write: Callable[[], Waiting], using: str) -> Waiting:
    """In a view, under ATOMIC_REQUESTS."""
    expected: list[Waiting] = []

    def view(request: HttpRequest) -> HttpResponse:
        assert connections[using].in_atomic_block
        expected.append(write())
        return HttpResponse()

    urlpatterns[:] = [path("", view)]
    connections[using].settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert Client().post("/").status_code == 200
    finally:
        connections[using].settings_dict["ATOMIC_REQUESTS"] = False
    return expected[0]


urlpatterns: list[Any] = []

MODES = [in_autocommit, in_atomic, in_a_request]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.__name__)
def test_every_write_leaves_the_rows_it_should(mode: Any, using: str) -> None:
    for name, write in WRITES.items():
        ModerationState.objects.using(using).all().delete()
        expected = mode(lambda write=write: write(using), using)
        assert waiting(using) == expected, name


def test_every_alias_keeps_its_own_rows(using: str) -> None:
    Comment.objects.using(using).create(body="b")
    counts = {
        alias: ModerationState.objects.using(alias).count() for alias in connections
    }
    assert counts == {alias: int(alias == using) for alias in connections}


# --- The saver's transaction ------------------------------------------------------


@pytest.fixture
def broken_submit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies between the host's write and its commit."""

    def submit(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(receivers, "submit", submit)


@pytest.mark.parametrize("model", [Comment, CommentProxy, Photo])
def test_no_object_without_its_row(
    model: type[Comment], using: str, broken_submit: None
) -> None:
    obj = model(body="b")
    with pytest.raises(KeyboardInterrupt):
        obj.save(using=using)
    assert not Comment.objects.using(using).exists()


def test_a_failed_save_can_be_repeated(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = Comment(body="b")
    with monkeypatch.context() as patch:
        patch.setattr(receivers, "submit", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            obj.save(using=using)
    assert obj._state.adding
    obj.save(using=using)
    assert len(waiting(using)) == 1


def test_a_rollback_takes_both(using: str) -> None:
    with pytest.raises(RuntimeError), transaction.atomic(using):
        Comment.objects.using(using).create(body="b")
        raise RuntimeError
    assert not waiting(using)
    assert not Comment.objects.using(using).exists()


def test_a_savepoint_s_rollback_takes_both(using: str) -> None:
    with transaction.atomic(using):
        kept = Comment.objects.using(using).create(body="kept")
        with pytest.raises(RuntimeError), transaction.atomic(using):
            Comment.objects.using(using).create(body="b")
            raise RuntimeError
    assert list(waiting(using)) == [("testapp.comment", str(kept.pk), "comments")]


def test_manual_transactions_are_submitted_too(using: str) -> None:
    transaction.set_autocommit(False, using)
    try:
        Comment.objects.using(using).create(body="b")
        transaction.commit(using)
    finally:
        transaction.rollback(using)
        transaction.set_autocommit(True, using)
    assert len(waiting(using)) == 1


@pytest.fixture
def receiver() -> Iterator[Callable[..., None]]:
    connected: list[tuple[Any, Any]] = []

    def connect(signal: Any, function: Any) -> None:
        signal.connect(function, sender=Comment, weak=False)
        connected.append((signal, function))

    yield connect
    for signal, function in connected:
        signal.disconnect(function, sender=Comment)


def test_other_receivers_run_as_ever(using: str, receiver: Any) -> None:
    """In autocommit: ``pre_save`` before any transaction, ``post_save`` after it."""
    seen: list[Any] = []

    def note(**kwargs: Any) -> None:
        seen.append(connections[using].in_atomic_block)
        with transaction.atomic(using, durable=True):
            pass

    receiver(pre_save, note)
    receiver(post_save, note)
    Comment(body="b").save(using=using)
    assert seen == [False, False]


def test_a_failing_post_save_keeps_object_and_row(using: str, receiver: Any) -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError

    receiver(post_save, fail)
    with pytest.raises(RuntimeError):
        Comment(body="b").save(using=using)
    assert Comment.objects.using(using).count() == len(waiting(using)) == 1


def test_a_reading_pre_save_never_locks_sqlite(receiver: Any) -> None:
    """What wrapping ``save_base`` got wrong 1,927 times of 3,128 (DESIGN §5)."""

    def read(**kwargs: Any) -> None:
        list(Comment.objects.values_list("pk")[:1])

    receiver(pre_save, read)
    statements = captured("default", lambda: Comment(body="b").save())
    begin = next(i for i, sql in enumerate(statements) if sql.startswith("BEGIN"))
    assert statements[begin + 1].startswith("INSERT")


# --- What a save costs ------------------------------------------------------------


def captured(using: str, call: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connections[using]) as queries:
        call()
    return [query["sql"] for query in queries]


def our(statements: list[str]) -> list[str]:
    return [sql for sql in statements if "contentsafety" in sql]


def test_an_unchanged_save_is_one_read(using: str) -> None:
    obj = Comment.objects.using(using).create(body="b")
    statements = our(captured(using, obj.save))
    assert [sql.split()[0] for sql in statements] == ["SELECT"]
    locking = connections[using].features.has_select_for_update
    assert ("FOR UPDATE" in statements[0]) == locking


@pytest.mark.parametrize(
    "save",
    [
        lambda obj: obj.save(update_fields=["views"]),
        lambda obj: Comment.objects.using(obj._state.db).only("views").get().save(),
        lambda obj: obj.save(update_fields=[]),
    ],
    ids=["update_fields", "deferred", "nothing"],
)
def test_an_unwatched_save_costs_nothing(using: str, save: Any) -> None:
    obj = Comment.objects.using(using).create(body="b")
    statements = captured(using, lambda: save(obj))
    assert not our(statements)
    assert not [sql for sql in statements if sql.startswith(("BEGIN", "COMMIT"))]


def test_a_new_object_is_not_read(using: str) -> None:
    statements = our(captured(using, lambda: Comment(body="b").save(using=using)))
    assert not [sql for sql in statements if sql.startswith("SELECT")]


def test_a_child_is_submitted_once(using: str) -> None:
    """Django calls ``_save_table`` once a table: the last one counts."""
    statements = our(captured(using, lambda: Photo(body="b").save(using=using)))
    assert [sql.split()[0] for sql in statements] == ["INSERT"]


def test_nothing_on_the_save_path_reads_another_alias(using: str) -> None:
    others = [alias for alias in connections if alias != using]
    contexts = [CaptureQueriesContext(connections[alias]) for alias in others]
    for context in contexts:
        context.__enter__()
    Comment(body="b").save(using=using)
    for context in contexts:
        context.__exit__(None, None, None)
    assert [len(context) for context in contexts] == [0] * len(others)


# --- Odd texts and states ---------------------------------------------------------


def test_a_row_that_outlived_its_object_is_taken_up(using: str) -> None:
    obj = Comment.objects.using(using).create(body="b")
    Comment.objects.using(using)._raw_delete(using)
    Comment(pk=obj.pk, body="another").save(using=using)
    assert list(waiting(using).values()) == [2]


def test_an_old_row_of_one_policy_does_not_keep_the_other_s_away(using: str) -> None:
    obj = Bulletin.objects.using(using).create(title="a", body="b")
    ModerationState.objects.using(using).filter(policy="bodies").delete()
    Bulletin.objects.using(using)._raw_delete(using)
    Bulletin(pk=obj.pk, title="a", body="b").save(using=using)
    assert {policy for _, _, policy in waiting(using)} == {"titles", "bodies"}


def test_delete_erases_the_texts_of_results(using: str) -> None:
    obj = Comment.objects.using(using).create(body="b")
    row = ModerationState.objects.using(using).get()
    ModerationResult.objects.using(using).create(
        model=row.model,
        object_key=row.object_key,
        policy=row.policy,
        state_id=row.pk,
        generation=1,
        round=0,
        source="default",
        text="b",
        spans=[{"field": "body", "start": 0, "end": 1}],
    )
    obj.delete()
    result = ModerationResult.objects.using(using).get()
    assert (result.text, result.spans) == (None, [])


def test_surrogates_fail_as_they_do_without_us(using: str) -> None:
    """The host's own error, and nothing of ours in its way."""
    with pytest.raises((UnicodeEncodeError, ValueError, Exception)) as ours:
        Comment(body="\ud800").save(using=using)
    registry_entry = registry._moderations.pop(Comment)
    try:
        with pytest.raises(type(ours.value)):
            Comment(body="\ud800").save(using=using)
    finally:
        registry._moderations[Comment] = registry_entry


def test_the_author_is_noted_and_kept_up_to_date(
    using: str, django_user_model: Any
) -> None:
    users = django_user_model.objects.db_manager(using)
    first, second = users.create(username="first"), users.create(username="second")
    obj = Comment.objects.using(using).create(body="b", author=first)
    state = ModerationState.objects.using(using).get()
    assert state.author_key == str(first.pk)
    obj.author = second
    obj.save()
    state.refresh_from_db()
    assert (state.author_key, state.generation) == (str(second.pk), 1)


def test_disabled_means_untouched(using: str, settings: Any) -> None:
    settings.CONTENTSAFETY_ENABLED = False
    assert not our(captured(using, lambda: Comment(body="b").save(using=using)))


# --- The wrapper ------------------------------------------------------------------


def test_django_s_signature_is_the_one_we_know() -> None:
    parameters = inspect.signature(models.Model._save_table).parameters
    assert tuple(parameters) == receivers.SIGNATURE


def test_connecting_twice_wraps_once() -> None:
    before = Comment.__dict__["_save_table"]
    receivers.connect(Comment)
    assert Comment.__dict__["_save_table"] is before


def test_disconnect_undoes_connect(using: str) -> None:
    receivers.disconnect(Comment)
    try:
        assert "_save_table" not in Comment.__dict__
    finally:
        receivers.connect(Comment)
    Comment(body="b").save(using=using)
    assert len(waiting(using)) == 1


def test_without_the_wrapper_the_signal_submits(using: str) -> None:
    """Another Django, another signature: the second half of the same way in."""
    wrapper = Comment.__dict__["_save_table"]
    del Comment._save_table
    try:
        Comment(body="b").save(using=using)
    finally:
        Comment._save_table = wrapper
    assert len(waiting(using)) == 1


def test_without_the_wrapper_an_edit_is_submitted_as_well(using: str) -> None:
    wrapper = Comment.__dict__["_save_table"]
    del Comment._save_table
    try:
        obj = Comment.objects.using(using).create(body="b")
        obj.body = "c"
        obj.save()
    finally:
        Comment._save_table = wrapper
    assert list(waiting(using).values()) == [2]


def test_a_receiver_before_ours_may_save_again(using: str) -> None:
    """The inner save's ``post_save`` takes what the outer one's was left."""

    def save_again(instance: Comment, created: bool, **kwargs: Any) -> None:
        if created:
            instance.views = 1
            instance.save()

    ours = receivers._uid("save", Comment)
    post_save.disconnect(sender=Comment, dispatch_uid=ours)
    post_save.connect(save_again, sender=Comment)
    receivers.connect(Comment)
    try:
        Comment(body="b").save(using=using)
    finally:
        post_save.disconnect(save_again, sender=Comment)
    assert list(waiting(using).values()) == [1]


@isolate_apps("tests.testapp")
def test_the_family_reaches_beyond_abstract_children() -> None:
    class Abstract(Comment):
        class Meta:
            abstract = True
            app_label = "testapp"

    class Beyond(Abstract):
        class Meta:
            app_label = "testapp"

    assert Beyond in receivers._family(Comment)
    assert Abstract not in receivers._family(Comment)


def test_a_proxy_made_later_is_watched(using: str) -> None:
    meta = type("Meta", (), {"proxy": True, "app_label": "testapp"})
    attributes = {"Meta": meta, "__module__": __name__}
    late_model: Any = type(f"Late{using}", (Comment,), attributes)
    late = late_model.objects.using(using).create(body="b")
    assert len(waiting(using)) == 1
    late.delete()
    assert not waiting(using)


# --- The wake ---------------------------------------------------------------------


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    seen: list[tuple[str, int]] = []
    monkeypatch.setattr(
        tasks, "wake", lambda using, hints=(): seen.append((using, len(hints)))
    )
    return seen


def test_one_wake_a_transaction(using: str, wakes: list[tuple[str, int]]) -> None:
    with transaction.atomic(using):
        for _ in range(20):
            Comment.objects.using(using).create(body="b")
            with transaction.atomic(using):
                Comment.objects.using(using).create(body="c")
        assert wakes == []
    assert wakes == [(using, 40)]


def test_no_wake_for_what_was_rolled_back(
    using: str, wakes: list[tuple[str, int]]
) -> None:
    with pytest.raises(RuntimeError), transaction.atomic(using):
        Comment.objects.using(using).create(body="b")
        raise RuntimeError
    Comment.objects.using(using).create(body="c")
    assert wakes == [(using, 1)]


def test_no_wake_for_an_unchanged_text(using: str, wakes: list[Any]) -> None:
    obj = Comment.objects.using(using).create(body="b")
    obj.save()
    assert len(wakes) == 1


def test_on_commit_raises_in_manual_transactions_but_we_don_t() -> None:
    transaction.set_autocommit(False)
    try:
        with pytest.raises(TransactionManagementError):
            transaction.on_commit(print)
        Comment.objects.create(body="b")
    finally:
        default_connection.rollback()
        transaction.set_autocommit(True)


def test_a_stale_draft_s_save_of_one_field_exempts_nothing(using: str) -> None:
    """What ``should_moderate`` reads is asked of the row, as the text is."""
    obj = Comment.objects.using(using).create(body="a", is_draft=True)
    stale = Comment.objects.using(using).get(pk=obj.pk)
    obj.is_draft = False
    obj.save()
    stale.body = "b"
    stale.save(update_fields=["body"])
    assert (state_of(obj).state, state_of(obj).generation) == ("pending", 2)
