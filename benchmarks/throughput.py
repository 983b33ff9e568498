"""Moderated texts a second, over the empty tasks a second of plain Celery.

Both on the same Redis in the same run, with the same worker: ``celery worker -c N``
with nothing tuned. A queue is filled first; then a worker is started, and what it does
is counted from outside between its first unit and its last. The texts are moderated by
the local provider with a category trained just before, on PostgreSQL.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests import servers

from . import category, reports

#: Seconds after which a measurement is given up.
PATIENCE = 300
#: Seconds between two looks at how far a worker has come.
LOOK = 0.02


def main() -> None:
    parser = reports.arguments(__doc__ or "", rounds=3, texts=4000, tasks=4000, seed=1)
    parser.add_argument("--processes", default="1,2")
    options = parser.parse_args()
    if reason := servers.why_not("redis"):
        sys.exit(f"Nothing to measure: {reason}")
    found = reports.on_each("throughput", options, ["postgresql"], measure)
    if found:
        reports.write("throughput", options, found)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    from .site.moderation import POLICY

    category.train(POLICY)
    chance = random.Random(options.seed)
    numbers = [int(number) for number in options.processes.split(",")]
    rates: dict[str, dict[int, list[float]]] = {
        kind: {number: [] for number in numbers} for kind in ("tasks", "texts")
    }
    for _ in range(options.rounds):
        for processes in numbers:
            rates["tasks"][processes].append(_tasks(options.tasks, processes))
            rates["texts"][processes].append(_texts(options.texts, processes, chance))
    return {
        "a_second": {
            kind: {str(n): reports.spread(values, 0) for n, values in of.items()}
            for kind, of in rates.items()
        },
        "texts_over_tasks": {
            str(n): reports.spread(
                [
                    texts / tasks
                    for texts, tasks in zip(
                        rates["texts"][n], rates["tasks"][n], strict=True
                    )
                ]
            )
            for n in numbers
        },
        "most_over_one": {
            kind: reports.spread(
                [b / a for a, b in zip(of[numbers[0]], of[numbers[-1]], strict=True)]
            )
            for kind, of in rates.items()
        },
    }


def _tasks(number: int, processes: int) -> float:
    with _queue() as (client, queue):
        from .worker import app, nothing

        with app.producer_pool.acquire(block=True) as producer:
            for _ in range(number):
                nothing.apply_async(producer=producer, queue=queue)
        with _worker(queue, processes):
            return _rate(number, lambda: number - client.llen(queue))


def _texts(number: int, processes: int, chance: random.Random) -> float:
    from django.db import connection

    from django_contentsafety import tasks
    from django_contentsafety.models import ModerationState

    from .site.models import Moderated

    texts = category.texts(number, chance)
    Moderated.objects.bulk_create(Moderated(title="A message", body=t) for t in texts)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    waiting = ModerationState.objects.pending()
    with _queue() as (_client, queue):
        for _ in range(processes):
            tasks.drain_task.apply_async(args=["default"], queue=queue)
        with _worker(queue, processes):
            rate = _rate(number, lambda: number - waiting.count())
    undecided = ModerationState.objects.exclude(state="done").count()
    assert not undecided, f"{undecided} texts were not decided"
    return rate


def _rate(number: int, done: Callable[[], int]) -> float:
    """Units a second between the first look that finds some done and the last."""
    pause, until = threading.Event(), time.monotonic() + PATIENCE
    first: tuple[float, int] | None = None
    while time.monotonic() < until:
        count, now = done(), time.monotonic()
        if first is None and count:
            first = (now, count)
        if first is not None and count >= number:
            return (count - first[1]) / (now - first[0])
        pause.wait(LOOK)
    sys.exit(f"After {PATIENCE} s {done()} of {number} were done.")


@contextmanager
def _queue() -> Iterator[Any]:
    """A queue of this run's own, and gone afterwards."""
    import redis

    queue = f"contentsafety-bench-{os.getpid()}"
    os.environ["BENCH_BROKER"] = servers.url("redis")
    os.environ["BENCH_QUEUE"] = queue
    from .worker import app

    app.set_default()
    client = redis.Redis.from_url(servers.url("redis"))
    try:
        yield client, queue
    finally:
        client.delete(queue, f"_kombu.binding.{queue}")
        client.close()


@contextmanager
def _worker(queue: str, processes: int) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.worker", "worker"]
    command += ["-c", str(processes), "-Q", queue, "-n", f"{queue}@%h", "-l", "ERROR"]
    process = subprocess.Popen(command, cwd=reports.ROOT, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


if __name__ == "__main__":
    main()
