"""The report of a run: the figures, and whether they keep the promises."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from tests.chaos.report import _git

#: What has to be zero.
ZEROS = ("started_twice", "registered_twice", "finished_twice", "deleted_twice")


def heading(seed: int, database: str) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short", "HEAD") or "unknown",
        "changed_files": bool(_git("status", "--porcelain")),
        "seed": seed,
        "database": database,
        "versions": {
            "python": platform.python_version(),
            "django": version("django"),
            "scikit-learn": version("scikit-learn"),
        },
    }


def broken(facts: dict[str, Any], promises: dict[str, int]) -> list[str]:
    """The promises that a run did not keep, in words; none = all are kept."""
    found = [f"{name} is {facts[name]}" for name in ZEROS if facts[name]]
    if facts["finished"] != facts["builds"]:
        found.append(
            f"{facts['finished']} of {facts['builds']} builds finished; "
            f"the others: {facts['unfinished']}"
        )
    if facts["started"] != facts["remote"]:
        found.append(f"{facts['started']} of {facts['remote']} were started")
    if facts["deleted"] != facts["deletions"]:
        found.append(f"{facts['deleted']} of {facts['deletions']} were deleted")
    for name, number in promises.items():
        if facts[name] < number:
            found.append(f"{name} is {facts[name]}, {number} are promised")
    if facts["ended_by_themselves"]:
        found.append(f"{facts['ended_by_themselves']} workers ended by themselves")
    if not facts["faults"]:
        found.append("the trainer never failed")
    return found
