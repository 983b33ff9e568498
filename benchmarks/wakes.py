"""What a broker in trouble costs the saves of one process.

One after the other, saves in a transaction with another app's callback behind ours,
while the broker answers, refuses connections, or takes them and is of no use. After a
failed send nobody tries for five seconds, so of the saves of that time one may wait.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from tests import servers
from tests.black_holes import KINDS, open_one

from . import reports

#: The server that answers, by the scheme of its URL.
BROKERS = {"redis": "redis", "amqp": "rabbitmq"}
#: A queue of our own, deleted in the end: nobody works on it.
QUEUE = "contentsafety-bench-wakes"
#: Nothing listens on this port.
CLOSED = 1


def main() -> None:
    options = reports.arguments(__doc__ or "", number=100).parse_args()
    found = reports.on_each("wakes", options, ["sqlite"], measure)
    reports.write("wakes", options, found)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    from django.conf import settings

    settings.CONTENTSAFETY_WAKE = "celery"
    return {
        "brokers": {
            scheme: {
                trouble: _saves(scheme, trouble, options.number)
                for trouble in ("answers", "refuses", *KINDS)
            }
            for scheme in BROKERS
            if servers.answers(BROKERS[scheme])
        }
    }


def _saves(scheme: str, trouble: str, number: int) -> dict[str, Any]:
    from celery import current_app
    from django.db import transaction

    from django_contentsafety import tasks

    from .site.models import Moderated

    ran: list[int] = []
    times: list[float] = []
    with _url(scheme, trouble) as url:
        current_app.conf.update(
            broker_url=url, broker_write_url=url, task_default_queue=QUEUE
        )
        tasks._paused_until = -1.0
        for _ in range(number):
            started = time.perf_counter()
            with transaction.atomic():
                Moderated.objects.create(title="t", body="b")
                transaction.on_commit(lambda: ran.append(1))
            times.append(time.perf_counter() - started)
        if trouble == "answers":
            with current_app.connection_for_write() as connection:
                connection.default_channel.queue_delete(QUEUE)
    if tasks._sending is not None:
        # It ends with the connection, and must not stand in the next one's way.
        tasks._sending.join(30)
    times.sort()
    return {
        "saves": number,
        "slowest_ms": round(times[-1] * 1000, 1),
        "second_slowest_ms": round(times[-2] * 1000, 1),
        "median_ms": round(median(times) * 1000, 2),
        "seconds": round(sum(times), 2),
        "callbacks_run": len(ran),
    }


@contextmanager
def _url(scheme: str, trouble: str) -> Iterator[str]:
    standing = servers.url(BROKERS[scheme])
    if trouble == "answers":
        yield standing
    elif trouble == "refuses":
        yield _moved(standing, CLOSED)
    else:
        with open_one(trouble) as port:
            yield _moved(standing, port)


def _moved(url: str, port: int) -> str:
    parts = urlsplit(url)
    user = f"{parts.username}:{parts.password}@" if parts.username else ""
    return parts._replace(netloc=f"{user}127.0.0.1:{port}").geturl()


if __name__ == "__main__":
    main()
