"""``python -m tests.builds --builds 60 --seed 7``."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from django_contentsafety.testing.fault_server import FaultServer
from tests import servers
from tests.chaos import database

from . import report
from .fire import Fire, promised, start_nursery
from .run import Run, hurry


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.builds")
    parser.add_argument("--builds", type=int, default=60)
    parser.add_argument("--database", choices=database.KINDS, default="postgresql")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--report", type=Path, default=Path("builds-report.json"))
    return parser.parse_args()


def main() -> int:
    # So that what was started ends with it.
    signal.signal(signal.SIGTERM, lambda *args: sys.exit(1))
    options = parse()
    if options.database != "sqlite" and (reason := servers.why_not(options.database)):
        print(reason, file=sys.stderr)
        return 2
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    print(f"Seed {seed}: again with SEED={seed}")
    folder = Path(tempfile.mkdtemp(prefix="contentsafety-builds-"))
    fire = Fire(builds=options.builds, seed=seed, folder=folder)
    name = f"contentsafety_builds_{os.getpid()}"
    server_version = database.create(options.database, name)
    failures = ["the run itself failed"]
    try:
        with FaultServer(fire) as trainer:
            run = Run(
                database=database.settings_for(options.database, name, folder),
                trainer_url=trainer.url,
                journal=str(folder / "journal"),
            )
            run.save()
            (folder / "journal").touch()
            facts = burn(fire, folder)
        promises = promised(options.builds)
        failures = report.broken(facts, promises)
        whole = report.heading(seed, server_version)
        whole |= {**facts, "promised": promises, "kept": not failures}
        options.report.write_text(json.dumps(whole, indent=2) + "\n")
        for key, value in facts.items():
            print(f"  {key:<20} {value}")
        print(f"\nWritten: {options.report}")
    finally:
        database.drop(options.database, name)
        if failures:
            print(f"Logs: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for failure in failures:
        print(f"*** {failure}", file=sys.stderr)
    return 1 if failures else 0


def burn(fire: Fire, folder: Path) -> dict[str, object]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.builds.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    hurry()
    nursery = start_nursery(folder / "workers.log")
    try:
        return fire.run(nursery)
    finally:
        nursery.kill()
        nursery.wait(10)
        for pid in fire.workers:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        connections.close_all()


if __name__ == "__main__":
    sys.exit(main())
