"""How a program is called, and the JSON it leaves."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from . import databases

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "reports"

#: Distributions whose versions matter to some figure.
INSTALLED = ("Django", "celery", "django-simple-history", "numpy", "psycopg")


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Of several rounds: the least, the middle and the greatest."""
    return {
        "min": round(min(values), digits),
        "median": round(median(values), digits),
        "max": round(max(values), digits),
    }


def arguments(doc: str, **numbers: int | float) -> argparse.ArgumentParser:
    """Options that every program has; ``numbers`` are its own, with their defaults."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for name, default in numbers.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(default), default=default)
    parser.add_argument("--reports", type=Path, default=REPORTS, metavar="FOLDER")
    parser.add_argument("--on", help=argparse.SUPPRESS)
    return parser


def on_each(
    program: str,
    options: argparse.Namespace,
    wanted: Sequence[str],
    measure: Callable[[argparse.Namespace], dict[str, Any]],
) -> dict[str, Any]:
    """What ``measure`` finds on each database, each in a process of its own.

    Django is set up once a process: so the program calls itself with ``--on``.
    """
    if options.on:
        with databases.made(options.on):
            figures = {
                "server": databases.version(),
                "cache_mb": databases.cache_mb(),
                **_where(),
                **measure(options),
            }
        Path(os.environ["BENCH_RESULT"]).write_text(json.dumps(figures))
        sys.exit()
    found: dict[str, Any] = {}
    for name in databases.answering(list(wanted)):
        file = Path(options.reports) / f".{program}-{name}-{os.getpid()}.json"
        file.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", f"benchmarks.{program}", *sys.argv[1:]]
        try:
            done = subprocess.run(
                [*command, "--on", name],
                env={**os.environ, "BENCH_RESULT": str(file)},
                cwd=ROOT,
                check=False,
            )
            if done.returncode:
                sys.exit(f"{program} failed on {name}.")
            found[name] = json.loads(file.read_text())
        finally:
            file.unlink(missing_ok=True)
    return found


def write(
    program: str, options: argparse.Namespace, found: dict[str, Any], **more: Any
) -> None:
    """Leave ``reports/<program>.json``, with all that a reader needs to judge it.

    A database that was not measured now keeps the figures of an earlier run with the
    same options: one at a time needs the machine for itself less long.
    """
    own = {"reports", "on", "databases"}
    chosen = {k: v for k, v in sorted(vars(options).items()) if k not in own}
    folder = Path(options.reports)
    file = folder / f"{program}.json"
    earlier = json.loads(file.read_text()) if file.exists() else {}
    if earlier.get("options") == chosen:
        kept = {**earlier["databases"], **found}
        found = {name: kept[name] for name in databases.NAMES if name in kept}
    report = {
        "program": f"python -m benchmarks.{program}",
        **_where(),
        "options": chosen,
        **more,
        "databases": found,
    }
    folder.mkdir(exist_ok=True)
    file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    print(f"Wrote {file.relative_to(ROOT) if file.is_relative_to(ROOT) else file}.")


def _where() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "machine": {
            "cores": os.cpu_count(),
            "processor": _processor(),
            "python": platform.python_version(),
            **{name.lower(): version(name) for name in INSTALLED},
        },
    }


def _commit() -> str:
    def git(*words: str) -> str:
        command = ["git", "-C", str(ROOT), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "django_contentsafety", "benchmarks")
    return git("rev-parse", "--short=12", "HEAD") + (" and changes" if changed else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
