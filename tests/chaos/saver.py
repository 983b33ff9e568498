"""One saver: a process of the host that writes texts until it is told to stop.

``python -m tests.chaos.saver SLOT INCARNATION``: the slot owns objects and a journal,
and a saver that was killed comes back in it under another seed.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.chaos.settings")

import django

django.setup()

from . import journal, worker  # noqa: E402
from .models import NaivePost, Note, Post, Reply  # noqa: E402
from .operations import SIGNALED, WEIGHTS, Author  # noqa: E402
from .run import Run, folder  # noqa: E402

# What the host's saves send with, the control's receiver included.
worker.app.loader.import_default_modules()

#: How often a text is of each kind, in a hundred.
SHARES = {Post: 50, Reply: 38, Note: 12}
#: Seconds after which a saver ends whatever happens.
PATIENCE = 1800.0


class Saver:
    def __init__(self, run: Run, slot: int, incarnation: int) -> None:
        self.run = run
        self.rng = random.Random(f"{run.seed}/{slot}/{incarnation}")  # noqa: S311
        numbers = count()

        def name() -> str:
            return f"{slot}.{incarnation}.{next(numbers)}"

        self.authors = {m: Author(m, slot, self.rng, name) for m in SHARES}
        for author in self.authors.values():
            author.canary = run.canary
        # Its texts carry no canary: a textbook promises nothing about them.
        self.naive = Author(NaivePost, slot, self.rng, name)
        self.naive.canary = "naive"
        path = folder() / f"journal-{slot}.jsonl"
        self.saves = journal.saves_in(path)
        self.journal = journal.Journal(path)

    def work(self) -> None:
        until = time.monotonic() + PATIENCE
        stop = folder() / "stop"
        for number in self._paced():
            if stop.exists() or time.monotonic() > until:
                return
            op = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            model = self.rng.choices(list(SHARES), list(SHARES.values()))[0]
            self.saves += self._do(self.authors[model], op)
            if number % self.run.naive_every == 0 and op in SIGNALED:
                self._do(self.naive, op, naive=True)

    def _paced(self) -> Iterator[int]:
        """At the run's rate; what a kill made it miss is caught up."""
        for number in count(1):
            ahead = self.saves / self.run.rate - (time.time() - self.run.began)
            if ahead > 0:
                time.sleep(min(ahead, 0.5))
            yield number

    def _do(self, author: Author, op: str, *, naive: bool = False) -> int:
        """One operation, told before and after; how many saves it was."""
        step = author.step(op)
        facts: dict[str, Any] = {
            "op": step.op,
            "model": author.model._meta.label_lower,
            "naive": naive,
        }
        self.journal.write(
            phase="before",
            rolls=[] if naive else step.rolls,
            deletes=step.deletes,
            **facts,
        )
        at, started, error = time.time(), time.perf_counter(), ""
        try:
            step.act()
        except Exception as problem:
            # What a user would have seen as a failed request.
            error = f"{type(problem).__name__}: {problem}"[:300]
        seconds = time.perf_counter() - started
        saves = len(step.keeps) if step.saves is None else step.saves
        done = saves if naive or not error else 0
        self.journal.write(
            phase="after",
            **facts,
            at=at,
            seconds=round(seconds, 6),
            saves=done,
            error=error,
            rolled_keys=step.rolled_keys,
        )
        return done


if __name__ == "__main__":
    Saver(Run.load(), int(sys.argv[1]), int(sys.argv[2])).work()
