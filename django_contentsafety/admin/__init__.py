"""The admin: define, train, look at the errors, switch on, decide, look things up.

Importing a module registers its models.
"""

from __future__ import annotations

from . import (
    blocklists,
    builds,
    categories,
    log,
    moderation,
    policies,
    results,
    samples,
    versions,
)

__all__ = [
    "blocklists",
    "builds",
    "categories",
    "log",
    "moderation",
    "policies",
    "results",
    "samples",
    "versions",
]
