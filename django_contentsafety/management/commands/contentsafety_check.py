from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from ...flows.invariants import Fact, survey


class Command(BaseCommand):
    help = (
        "Say whether the promises hold: nothing waits too long, housekeeping runs, "
        "providers answer. Exit code 1 where one doesn't."
    )
    # It is asked when something is wrong; the system checks may be what is wrong.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="For a program.")
        parser.add_argument(
            "--database",
            action="append",
            metavar="ALIAS",
            help="Only this alias; may be repeated (default: all moderated ones).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for alias in options["database"] or ():
            if alias not in connections:
                raise CommandError(
                    f"There is no database {alias!r}: DATABASES has "
                    f"{', '.join(connections)}."
                )
        facts = survey(options["database"])
        if options["json"]:
            self.stdout.write(json.dumps([asdict(fact) for fact in facts], indent=2))
        else:
            self._show(facts)
        failing = [fact for fact in facts if not fact.ok]
        if failing:
            raise CommandError(f"{len(failing)} of {len(facts)} don't hold.")

    def _show(self, facts: list[Fact]) -> None:
        cells = [
            (fact.database or "(site)", fact.name, _number(fact)) for fact in facts
        ]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for fact, (where, name, number) in zip(facts, cells, strict=True):
            mark = self.style.SUCCESS("ok  ") if fact.ok else self.style.ERROR("FAIL")
            self.stdout.write(
                f"{mark}  {where:<{widths[0]}}  {name:<{widths[1]}}  "
                f"{number:>{widths[2]}}  {fact.words}"
            )


def _number(fact: Fact) -> str:
    if fact.value is None:
        return "-"
    return f"{fact.value:.0f}{' s' if fact.unit == 'seconds' else ''}"
