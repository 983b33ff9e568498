"""Is the key, or a text, anywhere it must not be?"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path

#: Read at once; what is torn at the edge is looked at twice.
PIECE = 1 << 20


def needles(secret: str) -> list[bytes]:
    """The secret as it may be written: plain, and within base64 wherever it starts.

    Kombu packs the bodies of messages to Redis into base64.
    """
    found = [secret.encode()]
    for before in range(3):
        packed = base64.b64encode(b"x" * before + secret.encode())
        # The first and last letters depend on what stands beside it.
        found.append(packed[4 if before else 0 : len(packed) // 4 * 4 - 4])
    return found


def search(paths: Iterable[Path], wanted: Mapping[str, Iterable[bytes]]) -> dict:
    """How often each thing wanted stands in the files, and how many bytes they are."""
    counts = dict.fromkeys(wanted, 0)
    size = 0
    longest = max(len(word) for words in wanted.values() for word in words)
    for path in paths:
        edge = b""
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                size += len(piece)
                whole = edge + piece
                for name, words in wanted.items():
                    counts[name] += sum(
                        whole.count(word) - edge.count(word) for word in words
                    )
                edge = whole[-longest + 1 :]
    return {"hits": counts, "bytes": size}
