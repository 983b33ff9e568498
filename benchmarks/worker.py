"""The Celery app of the workers that ``benchmarks.throughput`` starts."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("benchmarks")
app.conf.broker_url = os.environ["BENCH_BROKER"]
app.conf.task_default_queue = os.environ["BENCH_QUEUE"]
app.conf.broker_connection_retry_on_startup = True
app.autodiscover_tasks()


@app.task(ignore_result=True)
def nothing() -> None:
    """What Celery itself costs."""
