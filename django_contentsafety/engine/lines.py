"""Part a file into lines without ever holding more than one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["FileTooBig", "numbered_lines"]

_SLICE = 65_536


class FileTooBig(Exception):
    """There are more bytes than were to be read."""


def numbered_lines(
    data: bytes | Iterable[bytes], max_line_bytes: int, max_bytes: int
) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number from 1, and None for one that is too long.

    Only a newline ends a line: str.splitlines would also part a text at U+2028,
    U+0085 and the like. No more than one line and one chunk are held. Raise FileTooBig
    after `max_bytes`; the line that they cut is not yielded.
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
                pending, pending_bytes = [], 0
            pending_bytes += len(piece)
            if pending_bytes > max_line_bytes:
                pending = []
            elif piece:
                pending.append(piece)
        if total > max_bytes:
            raise FileTooBig
    if pending_bytes:
        yield number, _join(pending, pending_bytes, max_line_bytes)


def _slices(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _SLICE):
        yield data[start : start + _SLICE]


def _join(pending: list[bytes], size: int, limit: int) -> bytes | None:
    return None if size > limit else b"".join(pending)
