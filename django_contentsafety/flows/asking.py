"""A batch goes out in parts, several at a time; each text gets an answer of its own."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import accumulate, pairwise

from ..exceptions import ProtocolError, ProviderError, RateLimited
from ..providers import Provider
from ..providers.base import Asked
from ..verdicts import SCALE_RANGE, Verdict

Answer = Verdict | Exception

#: Called now and then while a provider is asked.
Keep = Callable[[], None]

#: Faults that say the service is unwell (reliability.md §7.4, column Breaker).
UNWELL = frozenset({"network", "server", "protocol"})
#: Faults after which the next request can't fare better.
HOPELESS = frozenset({"throttle", "config", "gone", "missing", "deadline"})
#: So many requests in a row that nobody answered: the others are not sent.
TOO_MANY = 10
#: Code points after which an in-process provider lets us look at the clock.
PIECE = 100_000
#: Seconds between two looks at the clock.
LOOK = 1.0
#: Threads of a process, for all its providers.
THREADS = 32


class NotSent(RateLimited):
    """It was never asked: the requests before it failed."""


def ask(
    provider: Provider,
    texts: Sequence[str],
    categories: Sequence[Asked],
    keep: Keep | None = None,
) -> list[Answer]:
    """``provider.analyze`` about each text: a verdict, or why there is none.

    ``keep`` is called every few seconds, in this thread. Raises nothing of the
    provider's.
    """
    keep = keep or _nothing
    parts = _parts(provider, texts)

    def one(part: Sequence[str]) -> list[Answer]:
        return _ask(provider, part, categories)

    if len(parts) > 1 and not provider.in_process:
        return _together(one, parts, provider.concurrency, keep)
    answers: list[Answer] = []
    for part in parts:
        answers += one(part)
        keep()
    return answers


def _ask(
    provider: Provider, texts: Sequence[str], categories: Sequence[Asked]
) -> list[Answer]:
    """What it answers, held to what it promises: an answer off its scale is none."""
    try:
        verdicts = provider.analyze(texts, categories)
        _hold(provider, texts, verdicts)
    except Exception as error:
        return [error] * len(texts)
    return list(verdicts)


def _hold(
    provider: Provider, texts: Sequence[str], verdicts: Sequence[Verdict]
) -> None:
    if len(verdicts) != len(texts):
        raise ProtocolError("The provider skipped texts.", alias=provider.alias)
    for score in (score for verdict in verdicts for score in verdict.scores):
        for scale, (low, high) in SCALE_RANGE.items():
            value = score.on(scale)
            # Written so that NaN, which compares with nothing, is off the scale.
            if value is not None and not low <= value <= high:
                raise ProtocolError(
                    f"The provider's {scale} for {score.category} is off its scale.",
                    alias=provider.alias,
                )


def _parts(provider: Provider, texts: Sequence[str]) -> list[Sequence[str]]:
    if provider.in_process:
        # Nobody can interrupt it, so it gets no more than it can do in a while.
        ends = [total // PIECE for total in accumulate(map(len, texts))]
        cuts = [i + 1 for i in range(len(ends) - 1) if ends[i] != ends[i + 1]]
        edges = [0, *cuts, len(texts)]
        return [texts[a:b] for a, b in pairwise(edges)]
    size = provider.batch_size or len(texts) or 1
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def _together(
    one: Callable[[Sequence[str]], list[Answer]],
    parts: Sequence[Sequence[str]],
    concurrency: int,
    keep: Keep,
) -> list[Answer]:
    """The answers to all parts, in order; no more are sent once it is hopeless."""
    answers: dict[int, list[Answer]] = {}
    todo = deque(range(len(parts)))
    running: dict[Future[list[Answer]], int] = {}
    unwell = 0
    stopped: ProviderError | None = None
    while running or (todo and stopped is None):
        while todo and len(running) < concurrency and stopped is None:
            index = todo.popleft()
            # The caller's deadline is a context variable.
            call = copy_context().run
            running[_threads().submit(call, one, parts[index])] = index
        done, _ = wait(running, timeout=LOOK, return_when=FIRST_COMPLETED)
        keep()
        for future in done:
            index = running.pop(future)
            answers[index] = future.result()
            error = answers[index][0]
            code = error.code if isinstance(error, ProviderError) else ""
            unwell = unwell + 1 if code in UNWELL else 0
            if isinstance(error, ProviderError) and (
                code in HOPELESS or unwell >= TOO_MANY
            ):
                stopped = error
    for index in todo:
        answers[index] = [_not_sent(stopped)] * len(parts[index])
    return [answer for index in range(len(parts)) for answer in answers[index]]


def _not_sent(error: ProviderError | None) -> NotSent:
    wait = error.retry_after if error is not None else None
    alias = error.alias if error is not None else ""
    words = "Not sent: the requests before it failed."
    return NotSent(words, retry_after=1.0 if wait is None else wait, alias=alias)


def _nothing() -> None:
    """Nothing to keep."""


_pool: ThreadPoolExecutor | None = None


def _threads() -> ThreadPoolExecutor:
    """This process's threads: they keep their connections between two batches."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(THREADS, thread_name_prefix="contentsafety")
    return _pool


def _forget() -> None:
    """A child of a fork has none of its parent's threads."""
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget)
