"""Training, which tests that are about something else do once for the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from django_contentsafety.engine import classifier
from django_contentsafety.engine.samples import Sample


@lru_cache(maxsize=64)
def _trained(samples: tuple[Sample, ...], **options: Any) -> tuple[Any, list[Any]]:
    told: list[Any] = []
    found = classifier.train(
        samples, progress=lambda *said: told.append(said), **options
    )
    return found, told


def train(samples: Sequence[Sample], *, progress: Any, **options: Any) -> Any:
    """What ``classifier.train`` makes of them, which is the same each time, and all
    that it says of its progress."""
    found, told = _trained(tuple(samples), **options)
    for said in told:
        progress(*said)
    return found


#: In the place of the module, for who asks for nothing else of it.
once = SimpleNamespace(train=train)
