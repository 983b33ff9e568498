"""Part a file into lines without ever holding more than one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO

__all__ = ["Chunks", "FileTooBig", "numbered_lines"]

_SLICE = 65_536
#: Lines of a file: twenty million empty ones would take half a minute to pass over.
_MAX_LINES = 1_000_000


class FileTooBig(Exception):
    """There is more than was to be read: the message says how much that was."""


class Chunks:
    """A file in small pieces, from its start each time, and never past `limit` bytes.

    So what is read twice (looked at, then stored) is never in memory as a whole.
    """

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file = file
        self._limit = limit

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        left = self._limit
        while chunk := self._file.read(min(_SLICE, left)):
            left -= len(chunk)
            yield chunk


def numbered_lines(
    data: bytes | Iterable[bytes], max_line_bytes: int, max_bytes: int
) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number from 1, and None for one that is too long.

    Only a newline ends a line: str.splitlines would also part a text at U+2028,
    U+0085 and the like. No more than one line and one chunk are held. Raise FileTooBig
    after `max_bytes` or a million lines; the line that they cut is not yielded.
    """
    chunks = _slices(data) if isinstance(data, bytes) else data
    number = 1
    pending: list[bytes] = []
    pending_bytes = total = 0
    for chunk in chunks:
        room = max_bytes - total
        total += len(chunk)
        for index, piece in enumerate(chunk[:room].split(b"\n")):
            if index:
                yield number, _join(pending, pending_bytes, max_line_bytes)
                number += 1
                if number > _MAX_LINES:
                    raise FileTooBig(f"{_MAX_LINES:,} lines")
                pending, pending_bytes = [], 0
            pending_bytes += len(piece)
            if pending_bytes > max_line_bytes:
                pending = []
            elif piece:
                pending.append(piece)
        if total > max_bytes:
            raise FileTooBig(f"{max_bytes:,} bytes")
    if pending_bytes:
        yield number, _join(pending, pending_bytes, max_line_bytes)


def _slices(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _SLICE):
        yield data[start : start + _SLICE]


def _join(pending: list[bytes], size: int, limit: int) -> bytes | None:
    return None if size > limit else b"".join(pending)
