"""The texts of our own: frames in ``texts/*.jsonl``, filled from ``texts/slots.jsonl``.

A frame says what kind of text it is, which categories it belongs to, and which of the
others are left open. Every slot of a frame is filled from one line of the slots, so
that ``{plural}`` and ``{singular}`` name the same group of people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .rows import Row, label, place

__all__ = ["FILLED", "own_kinds", "own_rows"]

FOLDER = Path(__file__).parent / "texts"
#: Times a frame with a slot is filled, each time otherwise.
FILLED = 12

_SLOT = re.compile(r"\{(\w+)\}")
#: A word that begins a sentence, after a slot has put it there.
_FIRST = re.compile(r"^“?[a-z]|(?<=[.!?] )[a-z]")


def own_rows() -> list[Row]:
    """Every text of our own, in the order of the files."""
    return [row for _, row in own_kinds()]


def own_kinds() -> Iterator[tuple[str, Row]]:
    """The same with the kind of each, which is what a frame is meant to teach."""
    slots = _lines(FOLDER / "slots.jsonl")
    for file in sorted(FOLDER.glob("*.jsonl")):
        if file.stem == "slots":
            continue
        for frame in _lines(file):
            labels = label(*frame["labels"], unknown=frame.get("unknown", ()))
            source = f"own:{frame['kind']}"
            for text in _fill(frame["text"], slots):
                yield frame["kind"], Row(text, source, labels, group=frame["text"])


def _fill(frame: str, slots: list[dict[str, str]]) -> list[str]:
    names = set(_SLOT.findall(frame))
    if not names:
        return [frame]
    fitting = [slot for slot in slots if names <= set(slot)]
    # Another selection for each frame, and the same one every time.
    fitting.sort(key=lambda slot: place(frame + json.dumps(slot, sort_keys=True)))
    return [_capital(frame, slot) for slot in fitting[:FILLED]]


def _capital(frame: str, slot: dict[str, str]) -> str:
    text = _SLOT.sub(lambda found: slot[found[1]], frame)
    return _FIRST.sub(lambda found: found[0].upper(), text)


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
