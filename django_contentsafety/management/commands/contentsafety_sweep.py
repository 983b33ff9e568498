from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...flows.upkeep import tick
from ..connections import close_old
from ..stopping import Stop

#: Seconds between two ticks (reliability.md §7.3).
EVERY = 30


class Command(BaseCommand):
    help = (
        "Drain, sweep, reconcile, purge and advance builds, every 30 seconds until "
        "SIGTERM or Ctrl-C; with --once one time, for cron."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="One time; exit code 1 where it failed."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with Stop() as stop:
            while True:
                close_old()
                done = tick()
                if options["once"]:
                    break
                for failure in done.failures:
                    self.stderr.write(failure)
                close_old()
                if stop.wait(EVERY):
                    return
        if done.failures:
            raise CommandError("\n".join(done.failures))
