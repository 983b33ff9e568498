"""The category, the version and the person that a command line names."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Collection
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from ...documents import user_key
from ...models import Category, CategoryVersion

Status = CategoryVersion.Status


def find_category(name: str) -> Category:
    """The category of that name; else a CommandError that offers near ones."""
    category = Category.objects.filter(name=name).first()
    if category is not None:
        return category
    names = list(Category.objects.values_list("name", flat=True))
    near = difflib.get_close_matches(name, names) or names[:10]
    offer = f" There is: {', '.join(near)}." if near else " There is none yet."
    raise CommandError(f"There is no category {name!r}.{offer}")


def find_version(
    category: Category,
    number: int | None,
    statuses: Collection[str],
    what: str,
    **facts: object,
) -> CategoryVersion:
    """The version with ``number``; without one the newest that is ``what``: in one of
    ``statuses``, with those ``facts``."""
    versions = category.versions.select_related("category")
    if number is not None:
        version = versions.filter(number=number).first()
        if version is None:
            raise CommandError(
                f"{category} has no version {number}. It has: {_numbers(category)}."
            )
        return version
    fitting = versions.filter(status__in=statuses, **facts)
    version = fitting.order_by("-number").first()
    if version is None:
        raise CommandError(
            f"{category} has no version that is {what}. It has: {_numbers(category)}."
        )
    return version


def active_or_newest(category: Category, number: int | None) -> CategoryVersion:
    """The version with ``number``, else the active one, else the newest ready one."""
    active = category.active_version
    if number is None and active is not None:
        number = active.number
    return find_version(category, number, [Status.READY], "ready")


def find_actor(name: str) -> str:
    """A user's key, as the log stores it; empty for nobody in particular."""
    if not name:
        return ""
    users = get_user_model()
    try:
        return user_key(users._default_manager.get_by_natural_key(name))
    except users.DoesNotExist:
        raise CommandError(
            f"There is no user {name!r}: --by names who does it, for the log."
        ) from None


def read_file(path: str, limit: int) -> bytes:
    """A file, or standard input for ``-``; at most one byte more than ``limit``."""
    try:
        if path == "-":
            return sys.stdin.buffer.read(limit + 1)
        with Path(path).open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.") from None


def _numbers(category: Category) -> str:
    rows = category.versions.order_by("number").values_list("number", "status")
    return ", ".join(f"v{number} ({status})" for number, status in rows) or "none"
