"""Every misconfiguration is a system check with an id, a hint and a line in the docs
(docs/reference/checks.md)."""

from __future__ import annotations

from .configuration import check_dependencies, check_providers, check_settings
from .registrations import check_registrations
from .rows import check_rows

__all__ = [
    "check_dependencies",
    "check_providers",
    "check_registrations",
    "check_rows",
    "check_settings",
]
