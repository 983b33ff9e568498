"""The embedded engine: it reads samples, trains a category, scores and explains.

It knows nothing of Django, of this app or of a network, and each module can be
imported alone. Parsing samples and matching terms need the standard library only;
scoring needs numpy; training needs scikit-learn. Both are imported when they are
first used, never when a module of the engine is.

`train` and `score` are the whole of it in two calls; ``python -m
django_contentsafety.engine`` has the same two in a shell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Trained, score, train

__all__ = ["Trained", "score", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
