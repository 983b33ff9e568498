"""What a worker does with the rows it claimed: read, ask, finish.

Between two of these steps anything may happen: the text changes, the lease runs out,
the worker dies. Only the last step decides, and it looks at everything again.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import DatabaseError, InterfaceError, OperationalError

from ..documents import Document
from ..exceptions import ContentError, ProviderError, describe
from ..models import ModerationState
from ..verdicts import Verdict
from .asking import Keep
from .calls import code_of
from .completing import complete, complete_free, stored_verdicts, texts_of
from .plans import Plan, Source
from .recording import Judged

logger = logging.getLogger(__name__)

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


def read(
    rows: Sequence[ModerationState], using: str, counts: DrainCounts
) -> list[Case]:
    """The claimed rows with their texts as they are now."""
    healthy = [row for row in rows if not _is_poison(row, using, counts)]
    documents = texts_of(healthy, using)
    # What answered in an earlier try is not asked again.
    tried = [row for row in healthy if row.attempts > 1]
    earlier = stored_verdicts(tried, using)
    cases: list[Case] = []
    for row in healthy:
        document = documents.get(row.pk)
        if document is None:
            # Deleted by a way that sends no signal.
            ModerationState.objects.using(using).owned(row).delete()
            counts.gone += 1
        else:
            cases.append(Case(row, document, dict(earlier.get(row.pk, {}))))
    return cases


def ask(
    cases: Sequence[Case], plans: Mapping[str, Plan], *, bulk: bool, keep: Keep
) -> None:
    """Ask source after source, each about all the texts that still need it."""
    for slug in dict.fromkeys(case.row.policy for case in cases):
        mine = [case for case in cases if case.row.policy == slug]
        while asking := _asking(mine, plans[slug]):
            for source, batch in asking.values():
                texts = [case.document.text for case in batch]
                answers = source.answer(texts, bulk=bulk, keep=keep)
                for case, answer in zip(batch, answers, strict=True):
                    if isinstance(answer, Exception):
                        case.error = answer
                    else:
                        case.verdicts[source.name] = answer
                        case.fresh[source.name] = answer


def finish(
    cases: Sequence[Case],
    plans: Mapping[str, Plan],
    using: str,
    counts: DrainCounts,
    *,
    nowait: bool,
    keep: Keep,
) -> None:
    """Store the answers: at once where nobody is in the way, else one transaction an
    object, its policies together and in order.

    A batch that waits for locks deadlocked with hosts' own transactions, and the
    host's save was the victim.
    """
    judged = [_judge(case, plans) for case in cases]
    keep()
    done = _finish_free(judged, using) if len(cases) > 1 else {}
    counts.decided += len(done)
    objects: dict[tuple[str, str], list[tuple[Case, Judged]]] = {}
    for case, j in zip(cases, judged, strict=True):
        if case.row.pk not in done:
            key = (case.row.model, case.row.object_key)
            objects.setdefault(key, []).append((case, j))
    for same in objects.values():
        same.sort(key=lambda pair: pair[0].row.policy)
        keep()
        try:
            _finish(same, using, counts, nowait=nowait)
        except DatabaseError as error:
            # Their lease runs out; the other objects of the batch must not wait for it.
            logger.warning("Left to the sweep: %s.", describe(error))


def _judge(case: Case, plans: Mapping[str, Plan]) -> Judged:
    plan = plans[case.row.policy]
    return Judged(
        row=case.row,
        document=case.document,
        plan=plan,
        fresh=case.fresh,
        decision=None if case.error else plan.decide(case.verdicts),
    )


def _finish_free(judged: Sequence[Judged], using: str) -> dict[int, str]:
    try:
        return complete_free(judged, using)
    except Exception as error:
        # One answer that can't be stored, or a database hiccup: one by one it shows.
        logger.info("Completed one by one: %s.", describe(error))
        return {}


def _asking(cases: Sequence[Case], plan: Plan) -> dict[str, tuple[Source, list[Case]]]:
    asking: dict[str, tuple[Source, list[Case]]] = {}
    for case in cases:
        source = None if case.error else plan.next_source(case.verdicts)
        if source is not None:
            asking.setdefault(source.name, (source, []))[1].append(case)
    return asking


def _finish(
    same: Sequence[tuple[Case, Judged]],
    using: str,
    counts: DrainCounts,
    *,
    nowait: bool,
) -> None:
    cases = [case for case, _ in same]
    try:
        outcome = complete([judged for _, judged in same], using, nowait=nowait)
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
