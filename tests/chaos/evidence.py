"""All that is said about a storm in the report, taken from what it left behind."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

from . import canaries, journal
from .judge import judge, judge_naive, recovery
from .provider import WELL
from .run import Run


def collect(folder: Path, run: Run) -> dict[str, Any]:
    told = journal.tell(folder)
    notes = [folder / "asked.log", folder / "asked-here.log"]
    verdict = judge(told, notes)
    return {
        "told": told,
        "saves": told.saves,
        "operations": told.operations,
        "cut_off_by_a_kill": told.unknown,
        "rolled_back_texts": len(told.rolled_back),
        "errors_to_users": len(told.errors),
        "errors": told.errors[:10],
        **{f.name: getattr(verdict, f.name) for f in fields(verdict)},
        "answers": _answers(notes[0]),
        "recovery": recovery(),
        "canary": _canary(folder, run),
        "naive": {
            **judge_naive(),
            "saves": told.naive_saves,
            "errors_to_users": len(told.naive_errors),
            "errors": dict(Counter(e.split(":")[0] for e in told.naive_errors)),
        },
    }


def _answers(path: Path) -> dict[str, Any]:
    """What the provider did in the storm, and how often it was right."""
    kinds: dict[str, Counter[str]] = {}
    for line in path.read_text().splitlines():
        if line == WELL:
            break
        alias, _, fault = line.split(" ", 2)
        kinds.setdefault(alias, Counter())[fault] += 1
    return {
        alias: {
            "asked": sum(counter.values()),
            "faults": sum(counter.values()) - counter["ok"],
            "kinds": dict(counter.most_common()),
        }
        for alias, counter in sorted(kinds.items())
    }


def _canary(folder: Path, run: Run) -> dict[str, Any]:
    """Key and texts, in all that others could read; each with a word that is there."""
    secrets = {
        "key": canaries.needles(run.key),
        "text": canaries.needles(run.canary),
    }
    sinks = {
        "logs": (sorted((folder / "logs").iterdir()), b"contentsafety"),
        "broker": (sorted((folder / "broker").iterdir()), b"contentsafety.drain"),
        "results": ([folder / "redis-dumps.bin"], b"celery-task-meta"),
    }
    found: dict[str, Any] = {}
    for name, (paths, expected) in sinks.items():
        counts = canaries.search(paths, {**secrets, "expected": [expected]})
        hits = counts["hits"]
        found[name] = {
            "bytes": counts["bytes"],
            "hits": hits["key"] + hits["text"],
            # Shows that the search finds what is there.
            "expected": hits["expected"],
        }
    return found
