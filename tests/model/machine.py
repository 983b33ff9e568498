"""The steps of savers, workers, housekeepers and reviewers, in any order.

A worker's claim, reading, asking and finishing are rules of their own, so that every
other rule may come in between; a worker that is forgotten in between has crashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from django_contentsafety.documents import Document
from django_contentsafety.exceptions import TextChanged
from django_contentsafety.flows import moderate, review, rounds, upkeep, working
from django_contentsafety.flows.plans import Plan, load_plans
from django_contentsafety.models import Coverage, DbNow, ModerationState
from django_contentsafety.registry import registry
from tests import quiesce
from tests.model import memory as own, world
from tests.model.acts import (
    FAULTS,
    INDEX,
    INSTANCES,
    ROUNDS,
    TEXTS,
    WORKERS,
    Act,
    acts,
    step,
)
from tests.model.memory import REGIMES, USING, Key, Memory, Parts, oracle
from tests.model.promises import hold
from tests.model.savers import Savers
from tests.policies import make_due
from tests.testapp.models import Comment


@dataclass
class Worker:
    """One that claimed rows, and how far it came."""

    rows: list[ModerationState]
    plans: dict[str, Plan]
    regime: str
    cases: list[working.Case] = field(default_factory=list)
    step: str = "claimed"


@dataclass(frozen=True)
class Opened:
    """What a reviewer has on the screen."""

    state_id: int
    generation: int
    key: Key
    slug: str
    parts: Parts


def nothing() -> None:
    """A lease that its worker does not prolong."""


class Moderation(Savers, RuleBasedStateMachine):
    #: How many examples and steps were run, over all instances.
    examples: ClassVar[int] = 0
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        world.empty()
        world.cover()
        world.switch("strict", "author_only")
        self.providers = world.Providers()
        self.memory = Memory()
        self.regime = "strict"
        self.instances: list[Any] = []
        self.workers: list[Worker] = []
        self.opened: list[Opened] = []
        self.patch = mock.patch.object(moderate, "ask", self._ask_now)
        self.patch.start()

    @initialize(body=TEXTS)
    def first(self, body: str) -> None:
        self.create(kind=Comment, body=body, draft=False)

    # --- Workers ------------------------------------------------------------------

    @step(often=2, limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        plans = load_plans()
        states = ModerationState.objects.using(USING)
        rows = states.claim(policies=list(plans), limit=limit, lease=120)
        if rows:
            self.workers = [*self.workers, Worker(rows, plans, self.regime)][-WORKERS:]

    @step(
        often=8,
        index=INDEX,
        fault=FAULTS,
        alias=st.sampled_from(sorted(world.PROVIDERS)),
    )
    def go_on(self, index: int, fault: str | None, alias: str) -> None:
        """One worker does its next step; where that is to ask, it may go wrong."""
        if not self.workers:
            self.claim(limit=2)
            return
        worker = self.workers[index % len(self.workers)]
        if worker.step == "claimed":
            worker.cases = working.read(worker.rows, USING, working.DrainCounts())
            worker.step = "read"
        elif worker.step == "read":
            with self.providers.failing(alias, fault):
                self._ask(worker.cases, worker.plans, worker.regime)
            worker.step = "asked"
        else:
            self.workers.remove(worker)
            self._finish(worker)

    @step(index=INDEX)
    def crash(self, index: int) -> None:
        """SIGKILL: the claim stays in the database, and nobody knows of it."""
        if self.workers:
            del self.workers[index % len(self.workers)]

    @step(often=3, fault=FAULTS)
    def drain(self, fault: str | None) -> None:
        """A worker that nothing comes in between of."""
        with self.providers.failing("default", fault):
            moderate.drain(USING, seconds=5)

    # --- Time, and housekeepers ---------------------------------------------------

    @step(what=st.sampled_from(["leases run out", "retries come due", "a day passes"]))
    def wait(self, what: str) -> None:
        if what == "leases run out":
            quiesce.expire_leases(USING)
        elif what == "retries come due":
            make_due(USING)
        else:
            yesterday = DbNow() - timedelta(days=1)
            ModerationState.objects.using(USING).update(first_pending_at=yesterday)

    @step(what=st.sampled_from(["sweep", "reconcile", "purge orphans"]))
    def keep_house(self, what: str) -> None:
        if what == "sweep":
            upkeep.sweep(USING)
        elif what == "reconcile":
            again: dict[str, Any] = {"pass_started_at": None, "pass_ended_at": None}
            Coverage.objects.using(USING).update(cursor="", **again)
            for kind in own.KINDS:
                upkeep.reconcile(USING, seconds=5, only=registry.get(kind))
            self.memory.unseen.clear()
        else:
            quiesce.purge_all_orphans(USING)
            self.memory.gone.clear()

    @step(
        often=4,
        index=INDEX,
        what=ROUNDS,
    )
    def begin_round(self, index: int, what: str) -> None:
        slugs = {slug for _, slug in self.memory.places()} or {"comments"}
        slug = sorted(slugs)[index % len(slugs)]
        if what == "reanalyze":
            rounds.reanalyze(slug, USING, by="7")
        elif what == "call off":
            rounds.call_off(slug, USING, by="7")
        else:
            for (_, policy, parts), said in self.memory.judged.items():
                if policy == slug and said:
                    said.add(oracle(Document(parts).text, self.regime))
            rounds.redecide(slug, USING, by="7")

    @step(
        regime=st.sampled_from(sorted(REGIMES)),
        on_pending=st.sampled_from(["author_only", "show_previous", "show"]),
    )
    def switch(self, regime: str, on_pending: str) -> None:
        world.switch(regime, on_pending)
        self.regime = regime

    # --- Reviewers ----------------------------------------------------------------

    @step(index=INDEX)
    def open(self, index: int) -> None:
        """What the case's page shows: a text that its row is about."""
        host = own.read_host()
        shown = []
        for row in ModerationState.objects.using(USING).order_by("pk"):
            one = (row.model, row.object_key)
            parts = own.texts_of(host[one], one[0])[row.policy] if one in host else ()
            if parts and Document(parts).matches(row.content_hash, row.hash_key):
                shown.append(Opened(row.pk, row.generation, one, row.policy, parts))
        if shown:
            self.opened = [*self.opened, shown[index % len(shown)]][-INSTANCES:]

    @step(
        often=2,
        index=INDEX,
        decision=st.sampled_from(["allow", "block"]),
        at_once=st.booleans(),
    )
    def decide(self, index: int, decision: str, at_once: bool) -> None:
        """About what the page showed when it was opened: now, or at any time."""
        if at_once:
            self.open(index)
            index = -1
        if not self.opened:
            return
        page = self.opened[index % len(self.opened)]
        # If it is refused nothing was said; what was said must not be missing below.
        try:
            review.decide(
                page.state_id,
                using=USING,
                generation=page.generation,
                decision=decision,
                by="7",
            )
        except TextChanged:
            return
        host = own.read_host()
        now = own.texts_of(host[page.key], page.key[0])[page.slug]
        assert now == page.parts, "a person decided on a text they did not see"
        self.memory.said[page.key, page.slug, page.parts].add(decision)
        self.memory.standing[page.key, page.slug] = decision

    @step(index=INDEX)
    def retry(self, index: int) -> None:
        """A person asks the machine again, whoever decided."""
        if not self.opened:
            return
        page = self.opened[index % len(self.opened)]
        try:
            review.retry(page.state_id, using=USING, generation=page.generation, by="7")
        except TextChanged:
            return
        self.memory.standing.pop((page.key, page.slug), None)

    # --- What has to hold ---------------------------------------------------------

    @rule(act=acts())
    def act(self, act: Act) -> None:
        getattr(self, act.name)(**act.arguments)

    @invariant()
    def promises(self) -> None:
        type(self).steps += 1
        hold(self.memory)

    def teardown(self) -> None:
        """However it stopped, housekeeping alone brings everything to an end."""
        try:
            self.workers.clear()
            quiesce.quiesce(USING, own.KINDS, patience=0)
            self.memory.unseen.clear()
            self.memory.gone.clear()
            hold(self.memory)
        finally:
            self.patch.stop()

    # --- How the answers are noted ---------------------------------------------

    def _finish(self, worker: Worker) -> None:
        counts = working.DrainCounts()
        working.finish(
            worker.cases, worker.plans, USING, counts, nowait=False, keep=nothing
        )
        decided = [case for case in worker.cases if case.row.state == "done"]
        assert len(decided) == counts.decided
        host = own.read_host()
        for case in decided:
            # Whatever was written unseen: what comes into force is about this text.
            one = (case.row.model, case.row.object_key)
            now = own.texts_of(host[one], one[0])[case.row.policy]
            assert now == case.document.parts, "decided on a text that is gone"

    def _ask_now(
        self, cases: Sequence[working.Case], plans: Any, **options: Any
    ) -> None:
        self._ask(cases, plans, self.regime, **options)

    def _ask(
        self, cases: Sequence[working.Case], plans: Any, regime: str, **options: Any
    ) -> None:
        """The real one; what the machine says of a text is noted by ourselves."""
        working.ask(cases, plans, **(options or {"bulk": False, "keep": nothing}))
        for case in cases:
            if case.error is None:
                one = (case.row.model, case.row.object_key)
                place = (one, case.row.policy, case.document.parts)
                self.memory.judged[place].add(oracle(case.document.text, regime))
