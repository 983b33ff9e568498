"""Options as settings and provider URLs give them; a wrong one is refused by name."""

from __future__ import annotations

import re
from collections.abc import Collection

from ...exceptions import InvalidProvider

#: A blocklist's name (azure-api.md §2.2).
_LIST = re.compile(r"[0-9A-Za-z._~-]{1,64}")
#: A version of Azure's APIs.
_VERSION = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(-preview)?")

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def choice(alias: str, name: str, value: object, known: Collection[str]) -> str:
    """One of ``known``."""
    if not isinstance(value, str) or value not in known:
        raise InvalidProvider(
            f"Provider {alias!r}: {name} must be one of {', '.join(known)}."
        )
    return value


def flag(alias: str, name: str, value: object) -> bool:
    """True or False; a URL says "true" or "false"."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _FLAGS:
        return _FLAGS[value.lower()]
    raise InvalidProvider(f"Provider {alias!r}: {name} must be True or False.")


def count(alias: str, name: str, value: object, most: int) -> int:
    """A whole number from 0 to ``most``; a URL gives it as text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:10])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InvalidProvider(
            f"Provider {alias!r}: {name} must be a whole number from 0 to {most}."
        )
    return value


def blocklist_names(alias: str, value: object) -> tuple[str, ...]:
    """Names of blocklists at the service; a URL has commas between them."""
    names = value
    if isinstance(value, str):
        names = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(names, list | tuple) or not all(
        isinstance(name, str) and _LIST.fullmatch(name) for name in names
    ):
        raise InvalidProvider(
            f"Provider {alias!r}: blocklists must be names of at most 64 letters, "
            "digits and the characters - . _ ~."
        )
    return tuple(dict.fromkeys(names))


def api_version(alias: str, name: str, value: object) -> str:
    """The name of an API version, whether anybody knows it or not."""
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        raise InvalidProvider(
            f"Provider {alias!r}: {name} must be a date as in 2024-09-01 or "
            "2024-09-15-preview."
        )
    return value
