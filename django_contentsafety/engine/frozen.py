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
    if indices is None:
        parsed = parse_jsonl(data, max_bytes=len(data))
        return {line - 1: sample for line, sample in parsed.samples}
    lines = data.split(b"\n")
    return {
        index: sample
        for index in set(indices)
        if 0 <= index < len(lines)
        for _, sample in parse_jsonl(lines[index]).samples
    }
