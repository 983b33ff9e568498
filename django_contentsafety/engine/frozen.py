"""Find samples again in the file that a version was frozen as."""

from __future__ import annotations

from collections.abc import Iterable

from .samples import Sample, parse_jsonl

__all__ = ["read_frozen"]


def read_frozen(data: bytes, indices: Iterable[int] | None = None) -> dict[int, Sample]:
    """Return the samples at these places, from 0, or all of them.

    A place is that of the line, so that a line which erasure has made unreadable moves
    no other: its sample is missing from the answer, as is a place that there isn't.
    """
    lines = data.split(b"\n")
    found = {}
    for index in range(len(lines)) if indices is None else set(indices):
        if 0 <= index < len(lines):
            for _, sample in parse_jsonl(lines[index]).samples:
                found[index] = sample
    return found
