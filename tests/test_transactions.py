"""What SQLite and a host's tests ask of every transaction of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from django_contentsafety import visible
from django_contentsafety.flows import (
    build,
    bulk_rounds,
    labeling,
    policies,
    removing,
    review,
    upkeep,
)
from django_contentsafety.flows.moderate import drain
from django_contentsafety.models import Category, ModerationState, Policy
from django_contentsafety.tasks import Wake
from tests.policies import make_policy, script, state_of
from tests.testapp.models import Comment

SAMPLES = b"".join(
    b'{"text": "%s number %d", "isPositive": %s}\n' % (text, n, label)
    for n in range(25)
    for text, label in ((b"free coins", b"true"), (b"warm scones", b"false"))
)


def held() -> ModerationState:
    obj = Comment.objects.create(body="dubious")
    drain("default")
    return state_of(obj)


def category() -> Category:
    made: Category = Category.objects.create(
        name="scam", definition="A scam.", provider="local"
    )
    return made


def filled() -> Category:
    made = category()
    build.import_samples(made, SAMPLES, filename="a.jsonl", by="")
    return made


def ready() -> Any:
    version = build.freeze(filled(), by="")
    build.run(build.start(version, by=""))
    return version


#: Every flow that opens a transaction: (what it needs, what it does).
FLOWS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "save": (lambda: None, lambda _: Comment.objects.create(body="b")),
    "drain": (
        lambda: Comment.objects.create(body="b"),
        lambda _: drain("default"),
    ),
    "approve": (
        held,
        lambda s: review.approve(s.pk, using="default", generation=1, by="7"),
    ),
    "retry": (
        held,
        lambda s: review.retry(s.pk, using="default", generation=1, by="7"),
    ),
    "sweep": (held, lambda _: upkeep.sweep("default")),
    "import": (
        category,
        lambda c: build.import_samples(c, SAMPLES, filename="a.jsonl", by=""),
    ),
    "freeze": (filled, lambda c: build.freeze(c, by="")),
    "start": (
        lambda: build.freeze(filled(), by=""),
        lambda v: build.start(v, by=""),
    ),
    "run": (
        lambda: build.start(build.freeze(filled(), by=""), by=""),
        lambda job: build.run(job),
    ),
    "cancel": (
        lambda: build.start(build.freeze(filled(), by=""), by=""),
        lambda job: build.cancel(job, by=""),
    ),
    "activate": (ready, lambda v: build.activate(v, by="")),
    "retire": (ready, lambda v: removing.retire(v, by="")),
    "relabel": (
        filled,
        lambda c: labeling.relabel(c.samples.all(), is_positive=True, by=""),
    ),
    "delete samples": (
        filled,
        lambda c: labeling.delete_samples(c.samples.all(), by=""),
    ),
    "round": (
        held,
        lambda _: bulk_rounds.ask("comments", "redecide", "default", by=""),
    ),
    "next round": (
        lambda: bulk_rounds.ask("comments", "redecide", "default", by=""),
        lambda _: bulk_rounds.ask("comments", "reanalyze", "default", by=""),
    ),
    "end of a round": (
        lambda: bulk_rounds.ask("comments", "redecide", "default", by=""),
        lambda _: bulk_rounds.advance("default"),
    ),
    "switch": (
        lambda: Policy.objects.get(slug="comments"),
        lambda p: policies.switch_mode(p, "shadow", by=""),
    ),
    "command": (
        lambda: None,
        lambda _: call_command(
            "contentsafety_policy", "comments", "--rule", "Sexual:score:0.5:"
        ),
    ),
}


@pytest.mark.django_db(transaction=True, databases=["default"])
@pytest.mark.parametrize("name", FLOWS)
def test_every_transaction_begins_with_a_write(name: str) -> None:
    """In SQLite's DEFERRED mode one that read first fails instead of waiting."""
    script()
    make_policy()
    prepare, act = FLOWS[name]
    prepared = prepare()
    with CaptureQueriesContext(connections["default"]) as queries:
        act(prepared)
    statements = [query["sql"] for query in queries]
    first = [
        statements[i + 1].split()[0]
        for i, sql in enumerate(statements)
        if sql.startswith("BEGIN")
    ]
    assert "SELECT" not in first
    assert first or name == "sweep"


class TestHostsOwnTests(TestCase):
    """A ``TestCase`` of a site with several databases that names only its default."""

    databases = frozenset({"default"})

    def test_nothing_touches_another_alias(self) -> None:
        script()
        make_policy()
        with (
            self.settings(CONTENTSAFETY_WAKE="inline"),
            self.captureOnCommitCallbacks(execute=True) as callbacks,
        ):
            bad = Comment.objects.create(body="bad")
            Comment.objects.create(body="fine")
        # As two saves in autocommit would.
        assert sum(isinstance(callback, Wake) for callback in callbacks) == 2
        assert state_of(bad).decision == "block"
        shown = visible(Comment.objects.all(), None)
        assert [comment.body for comment in shown] == ["fine"]
        bad.delete()

    def test_every_capture_wakes(self) -> None:
        """Whatever was saved before it, captured or not."""
        script()
        make_policy()
        Comment.objects.create(body="not captured")
        for _ in range(2):
            with (
                self.settings(CONTENTSAFETY_WAKE="inline"),
                self.captureOnCommitCallbacks(execute=True),
            ):
                bad = Comment.objects.create(body="bad")
            assert state_of(bad).decision == "block"
