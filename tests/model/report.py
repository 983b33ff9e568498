"""Put the parts of a run together: python -m tests.model.report PARTS REPORT."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def merge(parts: list[dict[str, Any]]) -> dict[str, Any]:
    shards = [part for part in parts if "mutant" not in part]
    mutants = [part for part in parts if "mutant" in part]
    caught = sum(part["caught"] for part in mutants)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted changes": bool(_git("status", "--porcelain")),
        "examples": sum(part["examples"] for part in shards),
        "steps": sum(part["steps"] for part in shards),
        "at most, an example": shards[0]["steps per example"] if shards else None,
        "seeds": sorted(part["seed"] for part in shards),
        "counterexamples": sum(part["counterexamples"] for part in shards),
        "mutants caught": f"{caught}/{len(mutants)}",
        "mutants": {
            part["name"]: {
                name: part[name] for name in ("caught", "examples", "seed", "by")
            }
            for part in sorted(mutants, key=lambda part: str(part["name"]))
        },
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    folder, target = map(Path, sys.argv[1:])
    parts = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(merge(parts), indent=2) + "\n")
