"""What the built-in categories cost: time of a text, memory, import to first score."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

__all__ = ["memory_and_start", "milliseconds"]

_FRESH = """
import json, sys, time
def peak():
    # Not getrusage: a process begins with the peak of the one that started it.
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
bare, began, cpu = peak(), time.perf_counter(), time.process_time()
from django_contentsafety.engine import harm
for one in harm.heads(sys.argv[1]).values():
    one.head.score(["You are all very welcome here, dear guests."])
print(json.dumps({
    "memory_mb": round(peak() - bare, 1),
    "first_score_s": round(time.perf_counter() - began, 3),
    "first_score_cpu_s": round(time.process_time() - cpu, 3),
}))
"""


def memory_and_start(tier: str = "fast", rounds: int = 3) -> dict[str, float]:
    """Of fresh processes, the middle one: memory over bare Python, import to score."""
    runs = []
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-c", _FRESH, tier],
            capture_output=True,
            text=True,
            check=True,
        )
        runs.append(json.loads(done.stdout))
    return {name: median(run[name] for run in runs) for name in runs[0]}


def milliseconds(
    score: Callable[[Sequence[str]], Any], texts: Sequence[str], batch: int = 64
) -> dict[str, float]:
    """CPU milliseconds a text, one by one and in batches, once all are warm."""
    score(texts)
    found = {}
    for name, size in (("single", 1), ("batch", batch)):
        times = []
        for _ in range(3):
            began = time.process_time()
            for start in range(0, len(texts), size):
                score(texts[start : start + size])
            times.append((time.process_time() - began) * 1000 / len(texts))
        found[name] = round(min(times), 3)
    return found
