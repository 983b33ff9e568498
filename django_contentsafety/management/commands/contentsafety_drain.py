from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from ...flows import upkeep
from ..stopping import seconds as duration


class Command(BaseCommand):
    help = (
        "Moderate what waits, advance builds and sweep, then stop: for cron, and for "
        "what an inline drain left."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--seconds",
            type=duration,
            default=None,
            help="Stop after so long (default: when nothing is due any more).",
        )
        parser.add_argument(
            "--database",
            action="append",
            help="Only this alias; may be repeated (default: all moderated ones).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        seconds = options["seconds"]
        for alias in options["database"] or ():
            if alias not in connections:
                raise CommandError(
                    f"There is no database {alias!r}: DATABASES has "
                    f"{', '.join(connections)}."
                )
        done = upkeep.tick(
            seconds=24 * 3600 if seconds is None else seconds,
            aliases=options["database"],
        )
        for alias, counts in done.drained.items():
            swept = done.swept.get(alias, upkeep.SweepCounts())
            self.stdout.write(
                f"{alias}: {counts.decided} decided, {counts.released} put back, "
                f"{counts.exhausted + swept.poisoned + swept.too_old} for a person, "
                f"{counts.stale + counts.gone} out of date"
            )
        if done.failures:
            raise CommandError("\n".join(done.failures))
