"""Judging a whole table again, and installing on an old one, while somebody reads.

On PostgreSQL, with an observer in a process of its own that reads all visible keys,
over and over, until the work is done. In a round no allowed text may be hidden at any
instant, and no person's decision may change. On the first day, with the policy live
from the start, no text may be hidden before all have been seen and judged.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import category, history, reports

#: Seconds after which the observer or the work is given up.
PATIENCE = 3_600


def main() -> None:
    parser = reports.arguments(__doc__ or "", rows=100_000, seed=1)
    parser.add_argument("--observe", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.observe:
        _observe(Path(options.observe))
        return
    del options.observe
    found = reports.on_each("rounds", options, ["postgresql"], measure)
    if not found:
        sys.exit("Nothing to measure without PostgreSQL.")
    reports.write("rounds", options, found)
    broken = [
        f"{part}: {name} is {found['postgresql'][part][name]}"
        for part in ("round", "first_day")
        for name in ("hidden", "persons_changed")
        if found["postgresql"][part].get(name)
    ]
    if broken:
        sys.exit("A promise was broken: " + "; ".join(broken))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    from .site.moderation import POLICY

    category.train(POLICY)
    return {"round": a_round(options.rows), "first_day": a_first_day(options)}


def a_round(rows: int) -> dict[str, Any]:
    """All that machines decided is analyzed again, after a change of the category."""
    from django_contentsafety.flows import rounds
    from django_contentsafety.flows.moderate import drain
    from django_contentsafety.models import ModerationState

    from .site.moderation import POLICY

    history.write(rows)

    def by_persons() -> list[Any]:
        states = ModerationState.objects.filter(decided_by="person").order_by("pk")
        return list(states.values_list("pk", "decision", "round", "decided_at"))

    before = by_persons()
    with Observer() as seen:
        counts = rounds.reanalyze(POLICY, "default", by="bench")
        drained = drain("default", seconds=PATIENCE)
    after = by_persons()
    changed = sum(a != b for a, b in zip(before, after, strict=True))
    return {
        **seen.figures,
        "rows": rows,
        "put_up": counts.changed,
        "decided": drained.decided,
        "by_persons": len(before),
        "persons_changed": changed,
    }


def a_first_day(options: argparse.Namespace) -> dict[str, Any]:
    """Old rows, no state, and a policy that goes live before anybody has seen them."""
    from django.db import connection

    from django_contentsafety import visible
    from django_contentsafety.flows.moderate import drain
    from django_contentsafety.flows.policies import switch_mode
    from django_contentsafety.flows.reconcile import reconcile
    from django_contentsafety.models import Coverage, ModerationState, Policy

    from .site.models import Moderated
    from .site.moderation import POLICY

    for table in ("bench_moderated", *history.ROWS):
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {table}")
    Coverage.objects.all().delete()
    Policy.objects.update(mode="shadow")
    texts = category.texts(options.rows, random.Random(options.seed))
    Moderated.objects.bulk_create(
        [Moderated(title="Old", body=text) for text in texts],
        batch_size=5_000,
        contentsafety="reconcile",
    )
    history.settle()
    until = time.monotonic() + PATIENCE
    with Observer() as seen:
        switch_mode(Policy.objects.get(slug=POLICY), "live", by="bench")
        while not Coverage.objects.filter(completed_at__isnull=False).exists():
            assert time.monotonic() < until
            reconcile("default", seconds=2)
            drain("default", seconds=2)
    against = ModerationState.objects.exclude(decision="allow").count()
    hidden = options.rows - visible(Moderated.objects.all()).count()
    assert hidden == against, (hidden, against)
    return {
        **seen.figures,
        "rows": options.rows,
        "hidden_in_the_end": hidden,
        "decided_against": against,
    }


class Observer:
    """Reads what is visible, in another process, from the first look to the last."""

    figures: dict[str, Any]

    def __enter__(self) -> Observer:
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "observer"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.rounds", "--observe", str(self.file)],
            cwd=reports.ROOT,
        )
        self._wait_for(self.file.with_suffix(".began"))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.file.with_suffix(".stop").touch()
        try:
            assert self.process.wait(120) == 0
            self.figures = json.loads(self.file.read_text())
        finally:
            self.process.kill()
            self.folder.cleanup()

    def _wait_for(self, path: Path) -> None:
        until = time.monotonic() + 120
        while not path.exists():
            assert time.monotonic() < until and self.process.poll() is None
            time.sleep(0.02)


def _observe(file: Path) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    import django

    django.setup()
    from django_contentsafety import visible
    from django_contentsafety.models import Coverage, ModerationState

    from .site.models import Moderated

    complete = Coverage.objects.filter(completed_at__isnull=False)

    def look() -> set[int]:
        return set(visible(Moderated.objects.all()).values_list("pk", flat=True))

    first = look()
    file.with_suffix(".began").touch()
    observations = hidden = 0
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        # Seen before the look, so that the one after the end is made as well.
        ended = file.with_suffix(".stop").exists()
        gone = first - look()
        # Asked after the look: a first day that is over by then hides what is held.
        if gone and complete.exists():
            against = ModerationState.objects.filter(
                object_key__in=[str(pk) for pk in gone], decided_generation=1
            ).exclude(decision="allow")
            hidden += len(gone) - against.count()
        else:
            hidden += len(gone)
        observations += 1
        if ended:
            break
    found = {"visible_at_first": len(first), "observations": observations}
    file.write_text(json.dumps(found | {"hidden": hidden}))


if __name__ == "__main__":
    main()
