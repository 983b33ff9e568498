"""A waiting row becomes a decision: the second half of the moderation story.

    claim → read the text → ask the plan's sources → lock the object, hash its text
    again → store the results and the decision, one transaction an object.

A flow never enqueues: it returns counts, and writes when a row is due again.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.models import Q

from ..conf import settings
from ..documents import Document
from ..exceptions import ContentError, ProviderError, describe
from ..models import ModerationState
from ..registry import registry
from ..verdicts import Verdict
from .asking import Keep
from .calls import code_of
from .claiming import Lease, shares
from .completing import Judged, complete, stored_verdicts, texts_of
from .plans import Plan, Source, load_plans

logger = logging.getLogger(__name__)

#: Ids of one wake-up that are taken first; the others are due rows like any.
MAX_HINTS = 500
#: A text whose checking killed this many workers is put before a person (§7.1 T8).
MAX_CRASHES = 3
#: Tries before a bug of ours, or answers nobody can read, go to a person (§7.4).
MAX_TRIES = {"bug": 5, "protocol": 3}
#: Full jitter U(0, min(cap, base · 2^tries)) in seconds (§7.4).
BACKOFF_BASE, BACKOFF_CAP = 2.0, 300.0


@dataclass(slots=True)
class DrainCounts:
    """What a drain did, in rows."""

    claimed: int = 0
    decided: int = 0
    released: int = 0
    exhausted: int = 0
    #: The text or the row had changed when the answer came.
    stale: int = 0
    #: The object no longer exists.
    gone: int = 0


@dataclass(slots=True)
class Case:
    """One claimed row on its way: its text and the answers so far."""

    row: ModerationState
    document: Document
    verdicts: dict[str, Verdict]
    #: Answers that are not in the database yet.
    fresh: dict[str, Verdict] = field(default_factory=dict)
    error: Exception | None = None


def drain(
    using: str,
    *,
    seconds: float | None = None,
    hints: Sequence[int] = (),
    plans: Mapping[str, Plan] | None = None,
    nowait: bool = False,
    limit: int | None = None,
) -> DrainCounts:
    """Work on due rows of ``using`` until there are none or ``seconds`` are over.

    ``hints`` are ids to take first. ``nowait`` never waits for a lock. The bound is
    looked at between batches of ``limit`` rows.
    """
    counts = DrainCounts()
    plans = load_plans() if plans is None else plans
    ready = {slug: plan for slug, plan in plans.items() if not plan.problem}
    if not ready:
        return counts
    limit = limit or settings.BATCH_SIZE
    until = time.monotonic() + (settings.DRAIN_SECONDS if seconds is None else seconds)
    states = ModerationState.objects.using(using).filter(_named_in_code())
    lease = settings.LEASE_SECONDS
    only: Sequence[int] | None = list(hints[:MAX_HINTS]) or None
    while time.monotonic() < until:
        found = 0
        for share in shares(ready, limit, states):
            rows = states.claim(
                policies=share.policies,
                limit=share.room,
                lease=lease,
                only=only,
                bulk=share.bulk,
            )
            found += len(rows)
            _work(rows, ready, using, counts, nowait=nowait, bulk=bool(share.bulk))
        counts.claimed += found
        if not found:
            if only is None:
                break
            only = None
    return counts


def _work(
    rows: list[ModerationState],
    plans: Mapping[str, Plan],
    using: str,
    counts: DrainCounts,
    *,
    nowait: bool,
    bulk: bool,
) -> None:
    lease = Lease(rows, using)
    healthy = [row for row in rows if not _is_poison(row, using, counts)]
    documents = texts_of(healthy, using)
    # What answered in an earlier try is not asked again.
    tried = [row for row in healthy if row.attempts > 1]
    earlier = stored_verdicts(tried, using)
    cases: dict[str, list[Case]] = {}
    for row in healthy:
        document = documents.get(row.pk)
        if document is None:
            # Deleted by a way that sends no signal.
            ModerationState.objects.using(using).owned(row).delete()
            counts.gone += 1
            continue
        case = Case(row, document, dict(earlier.get(row.pk, {})))
        cases.setdefault(row.policy, []).append(case)
    for slug, batch in cases.items():
        _ask(plans[slug], batch, bulk=bulk, keep=lease.keep)
    # One transaction an object, its policies together and in order: a batch in one
    # transaction deadlocked with hosts' own, and the host's save was the victim.
    objects: dict[tuple[str, str], list[Case]] = {}
    for batch in cases.values():
        for case in batch:
            objects.setdefault((case.row.model, case.row.object_key), []).append(case)
    for same in objects.values():
        same.sort(key=lambda case: case.row.policy)
        lease.keep()
        try:
            _finish(same, plans, using, counts, nowait=nowait)
        except DatabaseError as error:
            # Their lease runs out; the other objects of the batch must not wait for it.
            logger.warning("Left to the sweep: %s.", describe(error))


def _ask(plan: Plan, cases: Sequence[Case], *, bulk: bool, keep: Keep) -> None:
    """Ask source after source, each about all the texts that still need it."""
    while True:
        asking: dict[str, tuple[Source, list[Case]]] = {}
        for case in cases:
            source = None if case.error else plan.next_source(case.verdicts)
            if source is not None:
                asking.setdefault(source.name, (source, []))[1].append(case)
        if not asking:
            return
        for source, batch in asking.values():
            texts = [case.document.text for case in batch]
            answers = source.answer(texts, bulk=bulk, keep=keep)
            for case, answer in zip(batch, answers, strict=True):
                if isinstance(answer, Exception):
                    case.error = answer
                else:
                    case.verdicts[source.name] = case.fresh[source.name] = answer


def _finish(
    cases: Sequence[Case],
    plans: Mapping[str, Plan],
    using: str,
    counts: DrainCounts,
    *,
    nowait: bool,
) -> None:
    judged = [
        Judged(
            row=case.row,
            document=case.document,
            plan=plans[case.row.policy],
            fresh=case.fresh,
            decision=None
            if case.error
            else plans[case.row.policy].decide(case.verdicts),
        )
        for case in cases
    ]
    try:
        outcome = complete(judged, using, nowait=nowait)
    except (InterfaceError, OperationalError) as error:
        # A lock that can't be had, a database hiccup: due again, never lost.
        logger.warning(
            "Completing a moderation failed: %s.",
            describe(error),
            extra={"action": "complete", "state_id": cases[0].row.pk},
        )
        for case in cases:
            _release(case.row, using, counts, "database", refund=True)
        return
    except Exception as error:
        # An answer that can't be stored will not be next time: the tries are counted.
        for case in cases:
            case.error = error
            _give_up(case, using, counts)
        return
    for case in cases:
        result = outcome[case.row.pk]
        if result == "open":
            _give_up(case, using, counts)
        elif result == "decided":
            counts.decided += 1
        else:
            counts.stale += 1


def _give_up(case: Case, using: str, counts: DrainCounts) -> None:
    """No decision this time: due again later, or a person's turn."""
    row, error = case.row, case.error
    states = ModerationState.objects.using(using)
    code = code_of(error) if error else "bug"
    if code == "bug":
        # The id only: the exception's message may hold the text.
        logger.error(
            "Moderating failed: %s.",
            describe(error) if error else "no answer",
            extra={"action": "analyze", "state_id": row.pk},
        )
    if isinstance(error, ContentError) or row.attempts >= MAX_TRIES.get(code, 10**9):
        if states.exhaust(row, code if code in MAX_TRIES else "content"):
            counts.exhausted += 1
    elif isinstance(error, ProviderError):
        wait, free = error.retry_after, error.refund
        _release(row, using, counts, code, delay=wait, refund=free)
    else:
        _release(row, using, counts, code)


def _release(
    row: ModerationState,
    using: str,
    counts: DrainCounts,
    code: str,
    *,
    delay: float | None = None,
    refund: bool = False,
) -> None:
    if delay is None:
        cap = min(BACKOFF_CAP, BACKOFF_BASE * 2 ** min(row.attempts, 10))
        delay = random.uniform(0, cap)  # noqa: S311 - jitter
    states = ModerationState.objects.using(using)
    if states.release(row, code=code, delay=delay, refund=refund):
        counts.released += 1


def _is_poison(row: ModerationState, using: str, counts: DrainCounts) -> bool:
    if row.crashes < MAX_CRASHES:
        return False
    if ModerationState.objects.using(using).exhaust(row, "poison"):
        counts.exhausted += 1
    return True


def _named_in_code() -> Q:
    """Rows of a model or policy that was taken out of the code wait for its return."""
    named = Q(pk__in=[])
    for moderation in registry:
        named |= Q(model=moderation.label, policy__in=list(moderation.documents))
    return named
