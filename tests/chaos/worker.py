"""The host's Celery app: its workers, its beat, and what its savers send with."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.chaos.settings")

from .run import Run

RUN = Run.load()

app = Celery("chaos")
app.conf.update(
    broker_url=RUN.broker_url,
    result_backend=RUN.results_url,
    # Whatever a host may keep of a task that failed is searched for the canary.
    task_store_errors_even_if_ignored=True,
    result_extended=True,
    # Seconds; the search for the canary reads all of them, again and again.
    result_expires=30,
    task_default_queue=RUN.queue,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_hijack_root_logger=False,
    beat_schedule={"sweep": {"task": "contentsafety.sweep", "schedule": 2.0}},
)
app.autodiscover_tasks()
app.autodiscover_tasks(["tests.chaos"], related_name="naive")
