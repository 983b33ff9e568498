"""Database connections of a process that lives long."""

from __future__ import annotations

from django.db import connections


def close_old() -> None:
    """Do what Django does between requests: a broken connection is made anew.

    As ``django.db.close_old_connections``, which also closes one in the middle of a
    transaction: the caller's, where a command is called from a program or a test.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
