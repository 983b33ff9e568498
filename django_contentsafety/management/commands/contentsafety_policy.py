from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_slug
from django.db import router, transaction
from django.db.models import F

from ...exceptions import RefusedError
from ...flows.policies import record_change, switch_mode, would_have_hidden
from ...flows.upkeep import databases
from ...models import Policy, PolicyRule
from ...tasks import wake
from ...verdicts import Scale


def parse_rule(word: str) -> dict[str, Any]:
    """``[PROVIDER/]CATEGORY:SCALE:REVIEW_AT:BLOCK_AT``, each threshold optional."""
    provider, _, rest = word.rpartition("/")
    parts = rest.split(":")
    if len(parts) != 4:
        raise ArgumentTypeError(
            f"{word!r} is no rule: write CATEGORY:SCALE:REVIEW_AT:BLOCK_AT, as in "
            "Hate:severity:4:6 or crypto-scam:score:0.5: (never block)."
        )
    category, scale, *thresholds = parts
    if scale not in Scale.values:
        raise ArgumentTypeError(
            f"{word!r}: the scale is one of {', '.join(Scale.values)}."
        )
    try:
        review_at, block_at = (float(t) if t else None for t in thresholds)
    except ValueError:
        raise ArgumentTypeError(f"{word!r}: thresholds are numbers.") from None
    return {
        "provider": provider or "default",
        "category": category,
        "scale": scale,
        "review_at": review_at,
        "block_at": block_at,
    }


class Command(BaseCommand):
    help = "Show or change a policy: its rules and its mode. Creates one in shadow."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        mode = parser.add_mutually_exclusive_group()
        for value in Policy.Mode.values:
            mode.add_argument(
                f"--{value}", dest="mode", action="store_const", const=value
            )
        parser.add_argument(
            "--rule",
            dest="rules",
            action="append",
            default=[],
            type=parse_rule,
            metavar="[PROVIDER/]CATEGORY:SCALE:REVIEW_AT:BLOCK_AT",
            help="Set the rule of one category; may be repeated.",
        )
        parser.add_argument(
            "--remove",
            action="append",
            default=[],
            metavar="CATEGORY",
            help="Remove the rules of one category; may be repeated.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            validate_slug(options["slug"])
            with transaction.atomic(router.db_for_write(Policy)):
                # A write first: SQLite can't upgrade a transaction that read.
                Policy.objects.filter(slug=options["slug"]).update(version=F("version"))
                policy, created = Policy.objects.get_or_create(slug=options["slug"])
                self._change(policy, created, options)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except RefusedError as error:
            raise CommandError(str(error)) from None
        if options["mode"]:
            # While it was off, texts have waited.
            for alias in databases():
                wake(alias)
        self._show(policy)

    def _change(self, policy: Policy, created: bool, options: dict[str, Any]) -> None:
        for values in options["rules"]:
            names = {name: values.pop(name) for name in ("provider", "category")}
            rule = policy.rules.filter(**names).first() or PolicyRule(
                policy=policy, **names
            )
            for name, value in values.items():
                setattr(rule, name, value)
            rule.save()
        for category in options["remove"]:
            if not policy.rules.filter(category=category).delete()[0]:
                raise RefusedError(f"{policy} has no rule for {category}.")
        if created or options["rules"] or options["remove"]:
            record_change(policy, by="")
        if options["mode"]:
            switch_mode(policy, options["mode"], by="")
        policy.refresh_from_db()

    def _show(self, policy: Policy) -> None:
        self.stdout.write(f"{policy.slug}: {policy.get_mode_display()}")
        for rule in policy.rules.all():
            self.stdout.write(
                f"  {rule.provider}/{rule.category} by {rule.scale}: "
                f"review at {_number(rule.review_at)}, block at "
                f"{_number(rule.block_at)}"
            )
        if policy.mode == Policy.Mode.SHADOW:
            hidden, decided = would_have_hidden(policy)
            self.stdout.write(f"  would have hidden {hidden} of {decided}")


def _number(value: float | None) -> str:
    return "never" if value is None else f"{value:g}"
