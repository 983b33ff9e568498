"""A guestbook whose entries are moderated before anybody else sees them."""

from __future__ import annotations

# Loaded with Django, so that the tasks of every app find this Celery app.
from .celery import app as celery_app

__all__ = ["celery_app"]
