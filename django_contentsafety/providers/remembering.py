"""Answers about parts of texts whose other parts could not be asked about yet.

A text of 78 requests under a quota of five a second is answered over several tries.
Each goes on where the one before was told to wait; else none would ever come to the
end. Kept in this process, by a hash, until the whole text is answered.
"""

from __future__ import annotations

import json
import os
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Answers that are kept, and seconds for which: as long as a throttled row may wait.
MOST, SECONDS = 4_096, 900.0


class Remembered(Generic[T]):
    """Used from several threads at once: each step is one of the dict's own."""

    def __init__(self) -> None:
        self._answers: OrderedDict[bytes, tuple[float, T]] = OrderedDict()
        self._salt = os.urandom(16)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self._answers)}>"

    def __bool__(self) -> bool:
        return bool(self._answers)

    def name(self, question: Mapping[str, Any], start: int, part: str) -> bytes:
        """What an answer is kept under: it gives nothing away.

        ``start`` is the part's place, so that each is asked about, also one that is
        repeated: requests are counted before they are sent.
        """
        asked = json.dumps([question, start, part], sort_keys=True).encode()
        return blake2b(asked, digest_size=16, key=self._salt).digest()

    def get(self, name: bytes) -> T | None:
        """The answer; None where there is none, or it is too old."""
        kept, answer = self._answers.get(name, (0.0, None))
        return answer if time.monotonic() < kept + SECONDS else None

    def keep(self, name: bytes, answer: T) -> None:
        """Until the text is answered, or others need the place."""
        self._answers[name] = time.monotonic(), answer
        while len(self._answers) > MOST:
            with suppress(KeyError):  # Another thread was quicker.
                self._answers.popitem(last=False)

    def forget(self, names: Iterable[bytes]) -> None:
        """The text is answered."""
        for name in names:
            self._answers.pop(name, None)
