"""``python -m tests.chaos --saves 1500 --broker redis --seed 7``."""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import database, report
from .storm import Storm, faketime, missing_programs

BROKERS = ("redis", "rabbitmq")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--saves", type=int, default=1500, help="at least so many")
    parser.add_argument("--broker", choices=(*BROKERS, "both"), default="both")
    parser.add_argument("--database", choices=database.KINDS, default="postgresql")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--report", type=Path, default=Path("chaos-report.json"))
    parser.add_argument("--keep", type=Path, help="keep logs and recordings there")
    # A process can set up Django once: one a storm.
    parser.add_argument("--facts", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    # So that what was started ends with it.
    signal.signal(signal.SIGTERM, lambda *args: sys.exit(1))
    options = parse()
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    if options.facts:
        return storm(options, seed)
    brokers = BROKERS if options.broker == "both" else (options.broker,)
    problems = {
        problem
        for broker in brokers
        for problem in missing_programs(broker, options.database)
    }
    if problems:
        print("\n".join(sorted(problems)), file=sys.stderr)
        return 2
    if not faketime():
        print("*** faketime is not installed: the clocks are NOT skewed. ***")
    print(f"Seed {seed}: again with SEED={seed}")
    whole: dict[str, Any] = report.heading(seed, options.saves, bool(faketime()))
    whole["scenarios"] = {}
    failures: list[str] = []
    for broker in brokers:
        name = f"{broker}, {options.database}"
        part = one(options, broker, seed)
        if part is None:
            failures.append(f"{name}: the storm itself failed")
            continue
        whole["scenarios"][name] = part
        found = report.broken(part, options.saves)
        failures += [f"{name}: {problem}" for problem in found]
        show(name, part)
    whole["kept"] = not failures
    options.report.write_text(json.dumps(whole, indent=2) + "\n")
    print(f"\nWritten: {options.report}")
    for failure in failures:
        print(f"*** {failure}", file=sys.stderr)
    return 1 if failures else 0


def one(options: argparse.Namespace, broker: str, seed: int) -> dict[str, Any] | None:
    """One storm, in a process of its own; None where it broke down."""
    folder = Path(tempfile.mkdtemp(prefix=f"contentsafety-chaos-{broker}-"))
    facts = folder / "facts.json"
    command = [sys.executable, "-m", "tests.chaos", "--facts", str(facts)]
    command += ["--saves", str(options.saves), "--broker", broker]
    command += ["--database", options.database, "--seed", str(seed)]
    child = subprocess.Popen(command)
    try:
        # Well above what a storm of so many saves takes.
        status = child.wait(300 + options.saves / 5)
    except subprocess.TimeoutExpired:
        status = 1
    finally:
        # It ends its own processes.
        child.terminate()
        child.wait(60)
    part = json.loads(facts.read_text()) if facts.exists() else None
    if options.keep:
        shutil.copytree(folder, options.keep / broker, dirs_exist_ok=True)
    if status == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"Logs and recordings: {folder}", file=sys.stderr)
    return part


def storm(options: argparse.Namespace, seed: int) -> int:
    folder = options.facts.parent
    facts = Storm(
        saves=options.saves,
        broker=options.broker,
        kind=options.database,
        seed=seed,
        folder=folder,
    ).run()
    part = report.scenario(facts)
    options.facts.write_text(json.dumps(part))
    return 1 if report.broken(part, options.saves) else 0


def show(name: str, part: dict[str, Any]) -> None:
    print(f"\n{name} ({part['broker']}, {part['database']})")
    print(f"  saves                  {part['saves']} in {part['seconds']} s")
    for zero in report.ZEROS:
        print(f"  {zero:<22} {part[zero]} of {part['of'][zero]} {report.ZEROS[zero]}")
    print(f"  canary hits            {part['canary_hits']}")
    kills = ", ".join(f"{n} {kind}" for kind, n in part["kills"].items())
    print(f"  kills                  {kills}")
    print(f"  leases lost by kills   {part['leases_lost']} that are known of")
    print(f"  provider faults        {part['fault_share']:.1%}")
    print(f"  breakers opened        {part['breaker_trips'] or 'none'}")
    print(f"  before a person        {part['for_a_person'] or 'none'}")
    print(f"  recovery, seconds      {part['recovery_seconds']}")
    print(f"  save, seconds          {part['save_seconds']}")
    print(f"  … with broker down     {part['save_seconds_while_broker_down']}")
    waiting = part["waiting_when_it_ended"]
    print(f"  drained                {waiting} in {part['drained_in_seconds']} s")
    naive = part["naive_control"]
    print(
        f"  naive control          lost {naive['lost']}, stale {naive['stale']} of "
        f"{naive['texts']}; errors to users {naive['errors_to_users']} of "
        f"{naive['saves']}"
    )
    for line in (*part["examples"], *part["errors"]):
        print(f"    {line}")


if __name__ == "__main__":
    sys.exit(main())
