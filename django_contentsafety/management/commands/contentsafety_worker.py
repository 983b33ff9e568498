from __future__ import annotations

import time
from argparse import ArgumentParser
from math import inf
from typing import Any

from django.core.management.base import BaseCommand

from ...flows.upkeep import Tick, tick
from ..connections import close_old
from ..stopping import Stop, seconds
from .contentsafety_sweep import EVERY

#: Seconds of one drain, so that SIGTERM is heard soon.
SLICE = 1.0
#: Seconds to wait where nothing was due.
IDLE = 0.5


class Command(BaseCommand):
    help = (
        "Moderate what is saved, within a second, and do the housekeeping: all that "
        "a site without a broker needs. Ends cleanly on SIGTERM or Ctrl-C."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--seconds", type=seconds, default=inf, help="Stop after so long."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        until = time.monotonic() + options["seconds"]
        sweep_at = 0.0
        aliases: list[str] = []
        with Stop() as stop:
            self.stdout.write("Moderating. Stop with SIGTERM or Ctrl-C.")
            while not stop.requested and time.monotonic() < until:
                close_old()
                sweeping = time.monotonic() >= sweep_at
                if sweeping:
                    sweep_at = time.monotonic() + EVERY
                done = tick(
                    seconds=SLICE,
                    # What didn't answer is left alone until the next sweep.
                    aliases=None if sweeping else aliases,
                    sweeping=sweeping,
                )
                aliases = list(done.drained)
                self._tell(done)
                if not done.claimed:
                    stop.wait(min(IDLE, until - time.monotonic()))
        close_old()
        self.stdout.write("Stopped.")

    def _tell(self, done: Tick) -> None:
        for failure in done.failures:
            self.stderr.write(failure)
