"""Content moderation for Django: custom categories, policies, decisions, reviews.

The public names load lazily, so a host's settings can import
``django_contentsafety.conf`` before Django is set up.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "ModelModeration": "registry",
    "ModeratedQuerySet": "querysets",
    "moderate": "registry",
    "moderate_text": "flows.answering",
    "provider_from_url": "conf",
    "register": "registry",
    "visible": "querysets",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
