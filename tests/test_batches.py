"""A batch is finished at once where nobody is in the way, and as one by one else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from django_contentsafety.flows import working
from django_contentsafety.flows.moderate import drain
from django_contentsafety.models import LogEntry, ModerationResult, ModerationState
from tests.conftest import database_params
from tests.policies import by_words, make_due, make_policy, raw_update, script, state_of
from tests.test_moderate import in_threads
from tests.testapp.models import Bulletin, Comment, Note

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

LOCKING = pytest.mark.parametrize("using", database_params("postgresql", "mariadb"))


@pytest.fixture(autouse=True)
def live_policies(settings: Any) -> None:
    settings.CONTENTSAFETY_WAKE = "none"
    settings.CONTENTSAFETY_STORE_TEXT = "always"
    script()
    for slug in ("comments", "titles", "bodies"):
        make_policy(slug)


def comments(using: str, *bodies: str) -> list[Comment]:
    return [Comment.objects.using(using).create(body=body) for body in bodies]


def taken_over(obj: Comment) -> None:
    """Another worker has the row, and has not answered yet."""
    states = ModerationState.objects.using(obj._state.db)
    states.filter(pk=state_of(obj).pk).update(lease_token="another")


def saved(obj: Comment) -> None:
    obj.body = "dubious now"
    obj.save()


#: What happens to an object while its text is being checked.
MEANWHILE: dict[str, Callable[[Any], object]] = {
    "nothing": lambda obj: None,
    "saved": saved,
    "edited unseen": lambda obj: raw_update(obj, "dubious"),
    "deleted": lambda obj: Comment.objects.using(obj._state.db).get(pk=obj.pk).delete(),
    "taken over": taken_over,
}


STATE = ("state", "decision", "decided_by", "generation", "decided_generation")
RESULT = ("generation", "round", "source", "scores", "text", "is_stale")
LINE = ("from_value", "to_value", "reason", "details")


def story(using: str) -> Any:
    """What is stored at the end, of texts to each of which something else happens."""
    objects = {
        f"{body} {event}": obj
        for event in MEANWHILE
        for body in ("fine", "bad")
        for obj in comments(using, f"{body} {event}")
    }
    Note.objects.using(using).create(text="bad note")
    Bulletin.objects.using(using).create(title="fine", body="bad")
    done: set[str] = set()

    def answer(text: str) -> dict[str, int]:
        body = text.strip()
        if body in objects and body not in done:
            done.add(body)
            MEANWHILE[body.partition(" ")[2]](objects[body])
        if body == "fine nothing" and "tried" not in done:
            done.add("tried")
            return {}
        return by_words(text)

    script(answer)
    drain(using)
    make_due(using)
    drain(using)
    names = {("testapp.comment", str(obj.pk)): name for name, obj in objects.items()}
    states = ModerationState.objects.using(using).order_by("pk")
    results = ModerationResult.objects.using(using).order_by("state_id", "generation")
    log = LogEntry.objects.using(using).filter(event="decided")
    return (
        [
            (
                names.get((s.model, s.object_key)),
                s.policy,
                [getattr(s, c) for c in STATE],
            )
            for s in states
        ],
        [
            (
                names.get((r.model, r.object_key)),
                r.policy,
                [getattr(r, c) for c in RESULT],
            )
            for r in results
        ],
        sorted(
            (
                names.get((e.model, e.object_key), ""),
                e.subject,
                str([getattr(e, c) for c in LINE]),
            )
            for e in log
        ),
    )


def test_a_batch_ends_as_its_objects_do_one_by_one(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = story(using)
    for model in (Comment, Note, Bulletin):
        model.objects.using(using).all().delete()  # type: ignore[attr-defined]
    for rows in (ModerationResult, ModerationState):
        rows.objects.using(using).all().delete()
    LogEntry.objects.using(using)._raw_delete(using)
    monkeypatch.setattr(working, "complete_free", lambda judged, using: {})
    one_by_one = story(using)
    for found, expected in zip(at_once, one_by_one, strict=True):
        assert found == expected
        assert found


def test_many_are_finished_by_as_many_statements_as_few(using: str) -> None:
    counts = []
    for number in (3, 30):
        comments(using, *["fine", "bad", "dubious"] * (number // 3))
        with CaptureQueriesContext(connections[using]) as queries:
            assert drain(using).decided == number
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_an_answer_that_can_t_be_stored_spoils_no_other(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = comments(using, "fine", "odd")
    script(lambda text: {"Hate": float("nan")} if "odd" in text else by_words(text))
    drain(using)
    assert state_of(good).decision == "allow"
    assert state_of(bad).decision == ""


@LOCKING
def test_a_locked_object_holds_nobody_up(using: str) -> None:
    objects = comments(using, "bad", "bad", "bad")
    begun, finished = threading.Event(), threading.Event()
    seen: list[str] = []

    def host() -> None:
        with transaction.atomic(using):
            Comment.objects.using(using).filter(pk=objects[1].pk).update(views=1)
            begun.set()
            finished.wait(20)

    def worker() -> None:
        script()  # A provider an own thread.
        begun.wait(10)
        drain(using)

    def watcher() -> None:
        begun.wait(10)
        states = ModerationState.objects.using(using).order_by("pk")
        until = time.monotonic() + 15
        while time.monotonic() < until and "block" not in seen:
            seen[:] = states.values_list("decision", flat=True)
        finished.set()

    in_threads(3, lambda number: (host, worker, watcher)[number]())
    assert seen == ["block", "", "block"]
    assert state_of(objects[1]).decision == "block"


@LOCKING
def test_a_batch_does_not_cross_a_host_s_saves(using: str) -> None:
    """The host locks the objects in another order than the worker, and neither fails:
    a worker that waited for one while it held another would be waited for."""
    first, second = comments(using, "fine", "fine")
    begun = threading.Event()

    def work(number: int) -> None:
        if number:
            script()
            begun.wait(10)
            drain(using)
            return
        with transaction.atomic(using):
            for obj in (second, first):
                obj.body = "bad"
                obj.save()
                begun.set()
                time.sleep(0.7)

    in_threads(2, work)
    make_due(using)
    drain(using)
    assert [state_of(obj).decision for obj in (first, second)] == ["block", "block"]
