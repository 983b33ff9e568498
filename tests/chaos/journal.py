"""What a saver meant to do and did, line by line, written before and after.

Only processes are killed, never the machine: a line that was written is there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Journal:
    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.open(path, flags, 0o600)

    def write(self, **line: Any) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")


@dataclass(slots=True)
class Told:
    """What the journals of all savers tell."""

    #: Texts committed for certain.
    saves: int = 0
    operations: dict[str, int] = field(default_factory=dict)
    #: Ids of texts that can't have been committed.
    rolled_back: set[str] = field(default_factory=set)
    #: (model, key) of objects that were created and rolled back.
    rolled_back_keys: set[tuple[str, str]] = field(default_factory=set)
    #: (model, key) of objects that were deleted, or may have been.
    deleted_keys: set[tuple[str, str]] = field(default_factory=set)
    #: Operations that a kill cut off: committed or not, nobody knows.
    unknown: int = 0
    errors: list[str] = field(default_factory=list)
    naive_saves: int = 0
    naive_errors: list[str] = field(default_factory=list)
    #: (wall clock at the start, seconds) of single saves.
    timings: list[tuple[float, float]] = field(default_factory=list)


#: Operations that are one plain save each: what a visitor waits for.
PLAIN = ("create", "edit", "fields")


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal; the one a kill cut off is left out."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield json.loads(line)


def saves_in(path: Path) -> int:
    """Texts committed for certain, those of the naive control left out."""
    return sum(line.get("saves", 0) for line in read(path) if not line.get("naive"))


def tell(folder: Path) -> Told:
    """Put together what all savers wrote."""
    told = Told()
    for path in sorted(folder.glob("journal-*.jsonl")):
        open_step: dict[str, Any] | None = None
        for line in read(path):
            if line["phase"] == "before":
                told.unknown += open_step is not None
                open_step = line
                told.rolled_back.update(line["rolls"])
                if line["deletes"]:
                    told.deleted_keys.add((line["model"], line["deletes"]))
            elif line["phase"] == "after":
                open_step = None
                _count(told, line)
        told.unknown += open_step is not None
    return told


def _count(told: Told, line: dict[str, Any]) -> None:
    error = line.get("error", "")
    if line["naive"]:
        told.naive_saves += line["saves"]
        if error:
            told.naive_errors.append(error)
        return
    told.saves += line["saves"]
    told.operations[line["op"]] = told.operations.get(line["op"], 0) + 1
    told.rolled_back_keys.update((line["model"], key) for key in line["rolled_keys"])
    if error:
        told.errors.append(f"{line['op']}: {error}")
    if line["op"] in PLAIN:
        told.timings.append((line["at"], line["seconds"]))
