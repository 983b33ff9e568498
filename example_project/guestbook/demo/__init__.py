"""The parts of ``manage.py demo``: from an empty database to a moderated guestbook."""

from __future__ import annotations
