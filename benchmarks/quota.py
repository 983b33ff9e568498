"""The quota row under six processes: how many requests are granted, and how fast.

GCRA promises, of any stretch of t seconds on the database's clock: at most
``burst + rate * t`` grants. The processes ask as fast as they can; the grants' times
are the database's own. A broken promise ends the program with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import databases, reports

PROCESSES = 6
#: (requests a second, burst): a free account's and a paid one's.
LIMITS = ((10, 1), (50, 50))
PROVIDER = "quota"
#: Grants: SQLite's clock has milliseconds, and its Julian days are floats.
ROUNDING = 0.1


def main() -> None:
    parser = reports.arguments(__doc__ or "", seconds=10.0)
    parser.add_argument("--databases", default=",".join(databases.NAMES))
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        _ask(options)
        return
    del options.ask
    found = reports.on_each("quota", options, options.databases.split(","), measure)
    reports.write("quota", options, found, processes=PROCESSES)
    broken = [
        f"{name}, {limit}: {figures['broken']}"
        for name, of in found.items()
        for limit, figures in of["limits"].items()
        if figures["broken"]
    ]
    if broken:
        sys.exit("Granted more than was promised: " + "; ".join(broken))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "limits": {
            f"{rate}/s, burst {burst}": _race(rate, burst, options.seconds)
            for rate, burst in LIMITS
        }
    }


def _race(rate: int, burst: int, seconds: float) -> dict[str, Any]:
    from django_contentsafety.models import ProviderBudget

    ProviderBudget.objects.all().delete()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.quota"]
        asking = [
            subprocess.Popen(
                [*command, "--ask", f"{rate},{burst},{seconds},{folder}/{number}"],
                cwd=reports.ROOT,
            )
            for number in range(PROCESSES)
        ]
        codes = [process.wait(seconds + 120) for process in asking]
        assert codes == [0] * PROCESSES, codes
        answers = [json.loads(path.read_text()) for path in Path(folder).iterdir()]
    granted = [(low, high) for answer in answers for low, high in answer["granted"]]
    granted.sort(key=lambda times: times[1])
    return judge(granted, rate, burst) | {
        "refused": sum(answer["refused"] for answer in answers),
        "granted_by_process": sorted(len(answer["granted"]) for answer in answers),
    }


def judge(
    granted: list[tuple[float, float]], rate: float, burst: float
) -> dict[str, Any]:
    """Hold every stretch from one grant to another to the promise.

    ``granted`` are the database's times just before and just after each grant, in the
    order of the latter. A stretch lasts from the earliest time before to the last time
    after, so it is never taken for shorter than it was.
    """
    most = broken = 0
    for first in range(len(granted)):
        began = granted[first][0]
        for last in range(first, len(granted)):
            began = min(began, granted[last][0])
            stretch = granted[last][1] - began
            if stretch > 3:
                break
            number = last - first + 1
            broken += number > burst + rate * stretch + ROUNDING
            if stretch <= 1:
                most = max(most, number)
    span = granted[-1][1] - granted[0][0] if granted else 1.0
    return {
        "granted": len(granted),
        "seconds": round(span, 2),
        "granted_a_second": round(max(len(granted) - burst, 0) / span, 2),
        "most_in_any_second": most,
        "promised_in_any_second": burst + rate,
        "broken": broken,
    }


def _ask(options: argparse.Namespace) -> None:
    """One of the processes: ask until the time is over."""
    rate, burst, seconds, file = options.ask.split(",", 3)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    import django

    django.setup()
    from django.db import connection

    from django_contentsafety.models import ProviderBudget
    from django_contentsafety.models.budgets import Budget
    from django_contentsafety.providers import Limit

    budget, limit = Budget(PROVIDER), Limit(rate=float(rate), burst=int(burst))

    def clock() -> float:
        with connection.cursor() as cursor:
            cursor.execute(CLOCK[connection.vendor])
            return float(cursor.fetchone()[0])

    granted: list[tuple[float, float]] = []
    refused = 0
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        before = clock()
        if ProviderBudget.objects.reserve(budget, limit, 1):
            refused += 1
        else:
            granted.append((before, clock()))
    Path(file).write_text(json.dumps({"granted": granted, "refused": refused}))


#: Seconds since the epoch, by the clock that the grants go by.
CLOCK = {
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    "mysql": "SELECT UNIX_TIMESTAMP(SYSDATE(6))",
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
}

if __name__ == "__main__":
    main()
