"""Celery lives here and nowhere else: thin tasks, and the one sender, ``wake()``.

Messages carry an alias and ids. They may be lost, doubled or late and change nothing:
the rows are the queue.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import wraps
from math import inf
from typing import Any, Literal, ParamSpec

from celery import current_app, shared_task
from django.db import connections, transaction

from .conf import settings
from .exceptions import TaskFailed, describe
from .flows import build, measuring, removing, upkeep
from .flows.moderate import drain
from .flows.plans import load_plans
from .http import within

logger = logging.getLogger(__name__)

P = ParamSpec("P")

Mode = Literal["celery", "inline", "none"]

#: After a failed send nobody tries for so long: the sweep finds the row (§1.2).
PAUSE_SECONDS = 5.0
#: The longest a send may hold a save, in seconds (DESIGN §5).
SEND_SECONDS = 0.5
#: One wake-up in flight a process and alias (DESIGN §5).
COALESCE_SECONDS = 0.1
#: Rows an inline drain claims at once: the clock is looked at in between.
INLINE_BATCH = 5

_draining: ContextVar[bool] = ContextVar("contentsafety_draining", default=False)
# The monotonic clock begins anywhere: on a machine just started, at zero.
_paused_until = -inf
_sent_at: dict[str, float] = {}
_sending: threading.Thread | None = None


def _briefly(task: Callable[P, None]) -> Callable[P, None]:
    """Let a task that fails say so without the frames it failed in.

    Celery logs an exception and may store it, and error reporters send it away with
    the locals of all its frames: those of a drain hold texts.
    """

    @wraps(task)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            task(*args, **kwargs)
            return
        except Exception as error:
            words = describe(error)
        # Not inside the except: the exception would be kept as the context.
        raise TaskFailed(words)

    return run


@shared_task(name="contentsafety.drain", ignore_result=True)
@_briefly
def drain_task(using: str, hints: Sequence[int] = ()) -> None:
    """Drain, then sweep: never the other way round, and never each from the other."""
    drain(using, hints=hints)
    # Saves within this time of the wake-up sent none of their own.
    time.sleep(COALESCE_SECONDS)
    drain(using)
    upkeep.sweep(using)
    upkeep.beat("drain")


@shared_task(name="contentsafety.sweep", ignore_result=True)
@_briefly
def sweep_task() -> None:
    """For beat, every 30 seconds: what no wake-up came for."""
    upkeep.tick()


@shared_task(name="contentsafety.advance_build", ignore_result=True)
@_briefly
def advance_build_task(job_pk: int) -> None:
    """Take one build as far as it goes."""
    build.advance(job_pk)


@shared_task(name="contentsafety.advance_removal", ignore_result=True)
@_briefly
def advance_removal_task(version_pk: int) -> None:
    """Take the deletion of one version as far as it goes."""
    removing.advance(version_pk)


@shared_task(name="contentsafety.advance_card", ignore_result=True)
@_briefly
def advance_card_task(card_pk: int) -> None:
    """Analyze some withheld samples of one version."""
    measuring.advance(card_pk)


def wake_mode() -> Mode:
    """``CONTENTSAFETY_WAKE``, or what the host's Celery app implies."""
    if settings.WAKE is not None:
        mode: Mode = settings.WAKE
        return mode
    conf = current_app.conf
    # An eager task runs in the save: the inline drain does that within its bounds.
    has_broker = bool(conf.broker_url or conf.broker_write_url)
    return "celery" if has_broker and not conf.task_always_eager else "inline"


class Wake:
    """The one callback of a transaction, however many objects it saves."""

    def __init__(self, using: str, hints: Sequence[int]) -> None:
        self.using = using
        self.hints = list(hints)

    def __call__(self) -> None:
        wake(self.using, self.hints)


def wake_after_commit(using: str, hints: Sequence[int]) -> None:
    """Wake once the transaction of ``using`` has committed; at once in autocommit."""
    connection = connections[using]
    if not connection.get_autocommit() and not connection.in_atomic_block:
        return  # Manual transactions: on_commit raises, and the row waits in any case.
    # In a host's TestCase nothing commits: the callback there may be one that nobody
    # runs any more, or that captureOnCommitCallbacks ran before.
    in_test = any(getattr(b, "_from_testcase", False) for b in connection.atomic_blocks)
    for entry in [] if in_test else reversed(connection.run_on_commit):
        callback = entry[1]
        if isinstance(callback, Wake):
            callback.hints += hints
            return
    transaction.on_commit(Wake(using, hints), using=using, robust=True)


def wake(using: str, hints: Sequence[int] = ()) -> None:
    """Ask that the due rows of ``using`` be worked on soon. Never raises."""
    try:
        mode = wake_mode()
        if mode == "inline":
            drain_inline(using, hints)
        elif mode == "celery":
            _send(drain_task, using, list(hints)[: settings.BATCH_SIZE], key=using)
    except Exception as error:
        logger.warning("Waking failed: %s.", describe(error), extra={"action": "wake"})


def wake_build(job_pk: int) -> None:
    """Ask that a build be advanced; inline, it runs here and now. Never raises."""
    _wake_step(build.advance, advance_build_task, job_pk, key=f"build {job_pk}")


def wake_removal(version_pk: int) -> None:
    """Ask that a deletion be gone on with; inline, here and now. Never raises."""
    key = f"removal {version_pk}"
    _wake_step(removing.advance, advance_removal_task, version_pk, key=key)


def wake_card(card_pk: int) -> None:
    """Ask that a card be gone on with; inline, here and now. Never raises."""
    _wake_step(measuring.advance, advance_card_task, card_pk, key=f"card {card_pk}")


def _wake_step(step: Callable[[int], bool], task: Any, pk: int, *, key: str) -> None:
    try:
        mode = wake_mode()
        if mode == "inline":
            step(pk)
        elif mode == "celery":
            _send(task, pk, key=key)
    except Exception as error:
        logger.warning("Waking failed: %s.", describe(error), extra={"action": "wake"})


def drain_inline(using: str, hints: Sequence[int] = ()) -> None:
    """Drain in this process within the policies' ``inline_ms``; not re-entrant."""
    if _draining.get():
        return
    token = _draining.set(True)
    try:
        plans = {s: p for s, p in load_plans().items() if p.inline_ms > 0}
        if not plans:
            return
        seconds = max(plan.inline_ms for plan in plans.values()) / 1000
        with _Patience(using, seconds), within(seconds):
            drain(
                using,
                seconds=seconds,
                hints=hints,
                plans=plans,
                nowait=True,
                limit=INLINE_BATCH,
            )
    finally:
        _draining.reset(token)


class _Patience:
    """On SQLite, a lock wait may last only as long as the inline drain itself."""

    def __init__(self, using: str, seconds: float) -> None:
        self.connection = connections[using]
        self.milliseconds = int(seconds * 1000)
        self.before: int | None = None

    def __enter__(self) -> None:
        if self.connection.vendor == "sqlite":
            with self.connection.cursor() as cursor:
                self.before = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
                self._set(min(self.milliseconds, self.before or 0))

    def __exit__(self, *exc_info: object) -> None:
        if self.before is not None:
            self._set(self.before)

    def _set(self, milliseconds: int) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout={int(milliseconds)}")


def _send(task: Any, *args: Any, key: str) -> None:
    """One message: no retry, no result, no expiry; a broken broker is left alone.

    It is sent by a thread of its own, because a client's timeouts bound neither name
    resolution nor an answer that drips. One a process: where it hangs, nobody tries.
    """
    global _paused_until, _sending
    now = time.monotonic()
    if now < _paused_until or now - _sent_at.get(key, -inf) < COALESCE_SECONDS:
        return
    if _sending is not None and _sending.is_alive():
        return
    _sent_at[key] = now
    failed: list[Exception] = []
    # Named here: in another thread ``current_app`` may be another one.
    app: Any = current_app
    app = app._get_current_object()
    _sending = threading.Thread(
        target=_deliver, args=(app, task.name, args, failed), daemon=True
    )
    _sending.start()
    _sending.join(SEND_SECONDS)
    if _sending.is_alive():
        failed.append(TimeoutError())
    if failed:
        _paused_until = time.monotonic() + PAUSE_SECONDS
        raise failed[0]


def _deliver(app: Any, name: str, args: Sequence[Any], failed: list[Exception]) -> None:
    try:
        with _connection(app) as connection:
            app.tasks[name].apply_async(args=args, connection=connection, retry=False)
    except Exception as error:
        failed.append(error)


def _connection(app: Any) -> Any:
    """A connection of our own: the host's pool may wait for a broker for ever."""
    options = dict(app.conf.broker_transport_options or {})
    options |= {
        "socket_timeout": SEND_SECONDS,
        "socket_connect_timeout": SEND_SECONDS,
        "read_timeout": SEND_SECONDS,
        "write_timeout": SEND_SECONDS,
        "max_retries": 0,
    }
    return app.connection_for_write(
        connect_timeout=SEND_SECONDS, transport_options=options
    )
