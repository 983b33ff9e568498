"""What the steps of a category's life share: their transaction and their log entry."""

from __future__ import annotations

from typing import Any

from django.db import router, transaction
from django.utils.translation import gettext as _

from ..exceptions import RefusedError
from ..models import Category, CategoryVersion, LogEntry

#: Columns of an entry, taken out of the details.
_COLUMNS = ("from_value", "to_value", "reason")


def atomic() -> Any:
    """A transaction where the site tables are, which need not be the default alias."""
    return transaction.atomic(router.db_for_write(Category))


def refuse_leaving(category: Category) -> None:
    """Raise RefusedError for a category that is being deleted."""
    if category.is_leaving:
        raise RefusedError(leaving_words(category))


def leaving_words(category: Category) -> str:
    """Why nothing is done with a category that is being deleted."""
    return (
        _("%s is being deleted: it goes when its provider has deleted its versions.")
        % category
    )


def log_category(event: str, category: Category, by: str, **details: object) -> None:
    """Add an entry about ``category`` itself; the rest as ``log`` has it."""
    _add(event, category.name, by, details)


def log(event: str, version: CategoryVersion, by: str, **details: object) -> None:
    """Add an entry about ``version``: who did it, and numbers and ids, never a text.

    ``from_value``, ``to_value`` and ``reason`` are columns of their own.
    """
    _add(event, version.category.name, by, {"version": version.number, **details})


def _add(event: str, subject: str, by: str, details: dict[str, object]) -> None:
    values = {k: str(details.pop(k)) for k in _COLUMNS if k in details}
    LogEntry.objects.create(
        event=event, actor_key=by, subject=subject, details=details, **values
    )
