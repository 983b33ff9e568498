"""What all processes of one storm have to know, in a file of its folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

#: Names the folder, in the environment of every process.
VARIABLE = "CHAOS_FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    seed: int
    #: Committed texts a second that each saver aims at.
    rate: float
    #: One of every so many operations is repeated on the naive control.
    naive_every: int
    #: The wall clock when the savers were let loose.
    began: float = 0.0
    database: dict[str, Any]
    broker_url: str
    results_url: str
    provider_url: str
    queue: str
    #: Must never be seen outside database and provider: the key, and in every text.
    key: str
    canary: str

    @classmethod
    def load(cls) -> Self:
        return cls(**json.loads((folder() / "run.json").read_text()))

    def save(self) -> None:
        path = folder() / "run.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)))
        # Processes are started all the time: they find the old one or the new one.
        fresh.replace(path)


def folder() -> Path:
    """Of this run: logs, journals, recordings."""
    return Path(os.environ[VARIABLE])
