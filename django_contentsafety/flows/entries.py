"""What the steps of a category's life share: their transaction and their log entry."""

from __future__ import annotations

from typing import Any

from django.db import router, transaction

from ..models import Category, CategoryVersion, LogEntry

#: Columns of an entry, taken out of the details.
_COLUMNS = ("from_value", "to_value", "reason")


def atomic() -> Any:
    """A transaction where the site tables are, which need not be the default alias."""
    return transaction.atomic(router.db_for_write(Category))


def log_category(
    event: str, category: Category, by: str, *, from_value: str = "", **details: object
) -> None:
    """Add an entry about ``category`` itself; ``details`` are numbers and names."""
    LogEntry.objects.create(
        event=event,
        actor_key=by,
        subject=category.name,
        from_value=from_value,
        details=details,
    )


def log(event: str, version: CategoryVersion, by: str, **details: object) -> None:
    """Add an entry about ``version``: who did it, and numbers and ids, never a text.

    ``from_value``, ``to_value`` and ``reason`` are columns of their own.
    """
    values = {k: str(details.pop(k)) for k in _COLUMNS if k in details}
    LogEntry.objects.create(
        event=event,
        actor_key=by,
        subject=version.category.name,
        details={"version": version.number, **details},
        **values,
    )
