from __future__ import annotations

import sys
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import router

from ... import tasks
from ...documents import every_object
from ...flows import bulk_rounds, rounds
from ...flows.moderate import drain
from ...flows.plans import Plan, load_plan
from ...flows.reconcile import begin_again, reconcile
from ...providers import providers
from ...registry import ModelModeration, registry


class Command(BaseCommand):
    help = (
        "Moderate a model's objects: those nobody has seen yet, or, with --redecide or "
        "--reanalyze, all again. Hides nothing while it runs and never touches a "
        "person's decision. Stop it as you like: the next call goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", metavar="app.Model")
        parser.add_argument("--database", help="The alias (default: the router's).")
        parser.add_argument(
            "--policy", help="Only this policy (default: all of the model's)."
        )
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument(
            "--redecide",
            action="store_true",
            help="Apply today's rules to the stored answers; no provider is asked.",
        )
        kind.add_argument(
            "--reanalyze", action="store_true", help="Ask the providers again."
        )
        kind.add_argument(
            "--call-off",
            action="store_true",
            help="End a running round: what waits keeps its decision.",
        )
        parser.add_argument(
            "--days", type=float, help="Only texts decided in the last so many days."
        )
        parser.add_argument(
            "--work",
            action="store_true",
            help="Judge what is put up in this process, instead of leaving it.",
        )
        parser.add_argument(
            "--yes", action="store_true", help="Don't ask, where it costs requests."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        moderation = _moderation(options["model"])
        using = options["database"] or router.db_for_write(moderation.model)
        since = options["days"] and timedelta(days=options["days"])
        for policy in _policies(moderation, options["policy"]):
            plan = load_plan(policy)
            if plan is None or plan.problem:
                why = plan.problem if plan else "it is off, or there is none."
                raise CommandError(f"The policy {policy} decides nothing: {why}")
            if options["call_off"]:
                ended = bulk_rounds.stop(policy, using, by="")
                self.stdout.write(f"{policy}: {ended} texts keep their decision")
            elif options["redecide"]:
                counts = rounds.redecide(
                    policy, using, by="", since=since, progress=self._progress
                )
                self.stdout.write(
                    f"{policy}: {counts.seen} looked at, {counts.changed} decided "
                    f"otherwise, {counts.unanswered} lack an answer (--reanalyze)"
                )
            elif options["reanalyze"]:
                self._reanalyze(moderation, plan, using, since, options)
        if not (options["call_off"] or options["redecide"] or options["reanalyze"]):
            self._backfill(moderation, using, options)
        if options["work"]:
            decided = drain(using, seconds=24 * 3600).decided
            self.stdout.write(f"{decided} decided")
        elif not (options["call_off"] or options["redecide"]):
            tasks.wake(using)

    def _reanalyze(
        self,
        moderation: ModelModeration,
        plan: Plan,
        using: str,
        since: timedelta | None,
        options: dict[str, Any],
    ) -> None:
        rows = rounds.analyzable(plan.slug, using, model=moderation.label, since=since)
        self._confirm(rows.count(), plan, options)
        counts = rounds.reanalyze(
            plan.slug,
            using,
            by="",
            model=moderation.label,
            since=since,
            progress=self._progress,
        )
        self.stdout.write(f"{plan.slug}: {counts.changed} texts wait for another look")

    def _backfill(
        self, moderation: ModelModeration, using: str, options: dict[str, Any]
    ) -> None:
        plans = [load_plan(slug) for slug in moderation.documents]
        total = every_object(moderation.model, using).count()
        for plan in plans:
            if plan is not None:
                self._confirm(total, plan, options, at_most=True)
        begin_again(moderation.label, using)
        found = seen = 0
        while (step := reconcile(using, only=moderation)).seen:
            found += step.found.get(moderation.label, 0)
            seen += step.seen
            self._progress(seen)
        self.stdout.write(f"{moderation.label}: {found} texts were submitted")

    def _confirm(
        self, count: int, plan: Plan, options: dict[str, Any], *, at_most: bool = False
    ) -> None:
        """Say what it costs where requests are counted, and ask."""
        counted = [s.name for s in plan.sources if s.name in providers and _is_paid(s)]
        if not counted or options["yes"]:
            return
        words = "at most " if at_most else ""
        self.stdout.write(
            f"{plan.slug}: {words}{count} texts, so {words}about {count} requests to "
            f"each of: {', '.join(counted)}."
        )
        if not sys.stdin.isatty():
            raise CommandError("Nothing was done. Say --yes if that is right.")
        if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was done.")

    def _progress(self, count: int) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r{count} …", ending="")


def _is_paid(source: Any) -> bool:
    return not source.in_process


def _moderation(name: str) -> ModelModeration:
    try:
        model = apps.get_model(name)
    except (LookupError, ValueError):
        raise CommandError(f"There is no model {name}: write app.Model.") from None
    moderation = registry.get(model)
    if moderation is None:
        known = ", ".join(sorted(m.model._meta.label for m in registry)) or "none"
        raise CommandError(f"{name} is not moderated. Moderated are: {known}.")
    return moderation


def _policies(moderation: ModelModeration, wanted: str | None) -> list[str]:
    if wanted is None:
        return list(moderation.documents)
    if wanted not in moderation.documents:
        raise CommandError(
            f"{moderation.label} is not moderated under {wanted}, but under: "
            f"{', '.join(moderation.documents)}."
        )
    return [wanted]
