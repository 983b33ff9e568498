"""Who works on which row: claim, complete, release. SQL only.

Every move is a compare-and-set on (lease token, generation), so that a lost, doubled
or late worker changes nothing. In one UPDATE the columns that other expressions read
are assigned last: MySQL and MariaDB assign from left to right.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.db import OperationalError, connections, models, transaction
from django.db.models import Case, F, Q, When

from . import statements
from .fields import DbNow

if TYPE_CHECKING:
    from .moderation import ModerationState

#: ``priority``: lower is served first.
INTERACTIVE, EDIT, BULK = 0, 10, 20

#: Where no SKIP LOCKED spreads the workers, they pick at random among this many due
#: rows: measured 3 empty claims instead of 174 (prototypes.md §2).
SPREAD = 300

_WAITING = Q(state="pending", available_at__lte=DbNow())
_LEFT = Q(state="leased", lease_until__lt=DbNow())


class StateQuerySet(models.QuerySet["ModerationState"]):
    """The queue. Call it with an explicit ``using``."""

    def pending(self) -> StateQuerySet:
        """Waiting or being checked."""
        return self.filter(state__in=["pending", "leased"])

    def due(self) -> StateQuerySet:
        """To be worked on now: waiting, or left by a worker that died."""
        return self.filter(_WAITING | _LEFT)

    def waited_for(self) -> StateQuerySet:
        """Those of no bulk round: a person has just saved the text."""
        return self.filter(priority__lt=BULK)

    def begin_write(self) -> None:
        """Make the transaction a writing one, where the database has no row locks.

        SQLite can't upgrade a transaction that began by reading; an UPDATE that finds
        nothing takes the lock as well.
        """
        if not connections[self.db].features.has_select_for_update:
            self.filter(pk=-1).update(round=0)

    def claim(
        self,
        *,
        policies: Collection[str],
        limit: int,
        lease: float,
        only: Sequence[int] | None = None,
        bulk: bool | None = None,
    ) -> list[ModerationState]:
        """Lease at most ``limit`` due rows for ``lease`` seconds; may be none.

        ``only`` restricts the pick to these ids; ``bulk`` to rows of bulk rounds, or
        (False) to those that somebody waits for. A deadlock, a lock that can't be had
        or a serialization error means: nothing claimed.
        """
        token = uuid4().hex
        rows = self.filter(policy__in=list(policies))
        if bulk is not None:
            rows = rows.filter(priority__gte=BULK) if bulk else rows.waited_for()
        if only is not None:
            rows = rows.filter(pk__in=only)
            limit = min(limit, len(only))
        locks = connections[self.db].features.has_select_for_update_skip_locked
        try:
            with transaction.atomic(self.db) if locks else nullcontext():
                if locks:
                    rows = rows.select_for_update(skip_locked=True)
                due = rows._pick(limit if locks else max(limit, SPREAD), limit)
                if not locks:
                    due = random.sample(due, min(limit, len(due)))
                ids = _apart(due)
                self._lease(ids, token, lease)
            if not ids:
                return []
            return list(self.filter(pk__in=ids, lease_token=token, state="leased"))
        except OperationalError:
            return []

    def renew(self, row: ModerationState, lease: float) -> bool:
        """Prolong the lease; False where the row is another's, or another text."""

        def renewed(owner: Any) -> Any:
            until = DbNow() + timedelta(seconds=lease)
            return self._all().owned(owner), {"lease_until": until}

        key = ("renew", lease)
        return bool(statements.update(key, self.db, renewed, **_owner(row)))

    def keep(self, rows: Collection[ModerationState], lease: float) -> None:
        """Prolong the leases of a claim's rows that nobody else has locked."""
        tokens = {row.lease_token for row in rows}
        mine = self.filter(pk__in=[row.pk for row in rows], lease_token__in=tokens)
        mine = mine.filter(state="leased")
        until = DbNow() + timedelta(seconds=lease)
        if not connections[self.db].features.has_select_for_update_skip_locked:
            mine.update(lease_until=until)
            return
        # As in update_free: to wait for one row while holding another deadlocks.
        with transaction.atomic(self.db):
            free = mine.select_for_update(skip_locked=True).order_by()
            ids = list(free.values_list("pk", flat=True))
            self.filter(pk__in=ids).update(lease_until=until)

    def complete(
        self, row: ModerationState, *, decision: str, decided_by: str, version: int
    ) -> bool:
        """Write the decision. False where the row has moved on: nothing written."""

        def decided(new: Any) -> Any:
            return self._all().owned(new), _decided(new)

        values = {"decision": decision, "decided_by": decided_by, "version": version}
        return bool(
            statements.update("complete", self.db, decided, **values, **_owner(row))
        )

    def hold(self, rows: Sequence[ModerationState]) -> set[int]:
        """Lock those of a claim's rows that are still its own and that nobody else has
        locked; their ids. Call it in a transaction."""
        tokens = {row.lease_token for row in rows}
        mine = self.filter(pk__in=[row.pk for row in rows], lease_token__in=tokens)
        mine = mine.filter(state="leased").order_by()
        if connections[self.db].features.has_select_for_update_skip_locked:
            mine = mine.select_for_update(skip_locked=True)
        found = set(mine.values_list("pk", "generation", "lease_token"))
        return {
            row.pk for row in rows if (row.pk, row.generation, row.lease_token) in found
        }

    def complete_held(
        self, pks: Collection[int], *, decision: str, version: int
    ) -> None:
        """Write a machine's decision about rows that this transaction holds."""
        new = SimpleNamespace(
            decision=decision,
            decided_by="machine",
            version=version,
            generation=F("generation"),
        )
        self.filter(pk__in=pks).update(**_decided(new))

    def exhaust(self, row: ModerationState, reason: str) -> bool:
        """No machine will answer: a person has to."""
        return bool(
            self.owned(row).update(
                exhausted_reason=reason,
                last_error_code=reason,
                lease_token="",
                lease_until=None,
                state="exhausted",
            )
        )

    def release(
        self, row: ModerationState, *, code: str, delay: float, refund: bool = False
    ) -> bool:
        """Put the row back, due in ``delay`` seconds; ``refund`` uncounts the try."""
        changes: dict[str, Any] = {"attempts": F("attempts") - 1} if refund else {}
        # SQLite writes a sum with more digits than the time now: "later" by the text.
        due = DbNow() + timedelta(seconds=delay) if delay else DbNow()
        return bool(
            self.owned(row).update(
                **changes,
                available_at=due,
                last_error_code=code,
                lease_token="",
                lease_until=None,
                state="pending",
            )
        )

    def resubmit(self, content_hash: str, hash_key: str) -> int:
        """Another text: a new generation, pending from now on."""
        return self.update(**self.another_text(content_hash, hash_key))

    def another_text(
        self, content_hash: str, hash_key: str, **changes: Any
    ) -> dict[str, Any]:
        """The columns of a row that is about another text from now on."""
        return {
            **changes,
            "generation": F("generation") + 1,
            "round": 0,
            "content_hash": content_hash,
            "hash_key": hash_key,
            **self.afresh(),
        }

    @staticmethod
    def afresh() -> dict[str, Any]:
        """The columns of a row that starts to wait now. ``state`` stands last."""
        return {
            "exhausted_reason": "",
            "last_error_code": "",
            "attempts": 0,
            "crashes": 0,
            "available_at": DbNow(),
            "first_pending_at": DbNow(),
            "lease_token": "",
            "lease_until": None,
            "state": "pending",
        }

    def update_free(self, **changes: Any) -> int:
        """Update the rows that nobody has locked, and that stop matching by it.

        One UPDATE over many rows waits for one while it holds another: it deadlocks
        with a host's transaction that saves the same objects in another order.
        """
        if not connections[self.db].features.has_select_for_update_skip_locked:
            return self.update(**changes)
        count = 0
        while True:
            with transaction.atomic(self.db):
                free = self.select_for_update(skip_locked=True).order_by()
                ids = list(free.values_list("pk", flat=True)[:SPREAD])
                if ids:
                    count += self.filter(pk__in=ids).update(**changes)
            if len(ids) < SPREAD:
                return count

    def owned(self, row: Any) -> StateQuerySet:
        """``row``, if this worker's claim and the text it read still stand."""
        return self.filter(
            pk=row.pk,
            generation=row.generation,
            lease_token=row.lease_token,
            state="leased",
        )

    def _all(self) -> StateQuerySet:
        """For what is compiled once: a filter of this queryset is no part of it."""
        return type(self)(self.model, using=self.db)

    def _pick(self, reach: int, limit: int) -> list[tuple[int, int]]:
        """(id, crashes) of at most ``reach`` due rows, first served first; what waits
        before what a dead worker left, which may be what killed it."""
        # Two queries, so that the first reads the due index in its own order: asked
        # for both kinds at once, a database collects and sorts all that is due.
        waiting = self.filter(_WAITING).order_by("priority", "available_at")
        due = list(waiting.values_list("pk", "crashes")[:reach])
        if len(due) < limit:
            left = self.filter(_LEFT).order_by("lease_until")
            ids = left.values_list("pk", flat=True)[: limit - len(due)]
            due += [(pk, 1) for pk in ids]
        return due

    def _lease(self, ids: list[int], token: str, lease: float) -> None:
        if not ids:
            return
        # "Still due" makes this one statement the claim: where nothing was locked,
        # another worker may have taken a row since it was picked.
        self.due().filter(pk__in=ids).update(
            lease_token=token,
            # A lease that ran out is a worker that died over this text.
            crashes=Case(
                When(state="leased", then=F("crashes") + 1),
                default=F("crashes"),
                output_field=models.PositiveIntegerField(),
            ),
            attempts=F("attempts") + 1,
            lease_until=DbNow() + timedelta(seconds=lease),
            state="leased",
        )


def _apart(due: Sequence[tuple[int, int]]) -> list[int]:
    """The ids to claim together: a text over which a worker died is claimed alone, so
    that whatever kills the next one isn't blamed on the others of its batch."""
    if due and due[0][1]:
        return [due[0][0]]
    return [pk for pk, crashes in due if not crashes]


def _decided(new: Any) -> dict[str, Any]:
    """The columns of a row whose decision has fallen. ``state`` stands last."""
    return {
        "decision": new.decision,
        "decided_by": new.decided_by,
        "policy_version": new.version,
        "decided_generation": new.generation,
        "decided_at": DbNow(),
        "exhausted_reason": "",
        "last_error_code": "",
        "lease_token": "",
        "lease_until": None,
        "state": "done",
    }


def _owner(row: ModerationState) -> dict[str, Any]:
    """What ``owned`` compares."""
    return {
        "pk": row.pk,
        "generation": row.generation,
        "lease_token": row.lease_token,
    }
