"""The control: moderation as tutorials have it, in the same storm.

``post_save`` → ``on_commit`` → ``delay``, retried by Celery, acknowledged late.
"""

from __future__ import annotations

from typing import Any

import requests
from celery import shared_task
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from .models import NaivePost
from .run import Run


@shared_task(
    name="chaos.naive",
    autoretry_for=(Exception,),
    retry_backoff=True,
    max_retries=5,
    acks_late=True,
)
def moderate(pk: int) -> None:
    post = NaivePost.objects.get(pk=pk)
    answer = requests.post(
        f"{Run.load().provider_url}/naive/analyze",
        json={"text": post.body, "categories": ["Hate"]},
        timeout=1,
    )
    answer.raise_for_status()
    severity = answer.json()["scores"][0]["severity"]
    post.decision = "block" if severity >= 6 else "review" if severity >= 4 else "allow"
    post.save(update_fields=["decision"])


@receiver(post_save, sender=NaivePost)
def enqueue(sender: Any, instance: NaivePost, **kwargs: Any) -> None:
    if kwargs["update_fields"] != frozenset({"decision"}):
        transaction.on_commit(lambda: moderate.delay(instance.pk))
