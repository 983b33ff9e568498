"""The Celery app of the workers that the tests start."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_ready

app = Celery("tests")
app.conf.broker_url = os.environ["TEST_BROKER"]
app.conf.task_default_queue = os.environ["TEST_QUEUE"]
app.conf.broker_connection_retry_on_startup = True
app.autodiscover_tasks()


@worker_ready.connect
def script_the_dummy(**kwargs: object) -> None:
    from tests.policies import script

    script()
