from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...engine.errors import EngineError
from ...engine.stored_cards import METRICS
from ...exceptions import InvalidProvider, InvalidTransition, RefusedError
from ..category import building, judging, remote, showing, steps
from ..category.finding import find_actor
from ..category.telling import Report, Voice

Step = Callable[[dict[str, Any], Voice], Report]


def proportion(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    # Written so that NaN fails, too.
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{word!r} is no number from 0 to 1.")
    return value


class Command(BaseCommand):
    help = (
        "A category's whole life, as in the admin: define it, import samples, freeze "
        "and build a version, look at its card, activate it, roll back, move it to "
        "another site. Exit codes: 0 = done; 1 = refused, failed, or below "
        "--fail-under; 2 = the command line can't be understood; 130 = Ctrl-C."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        steps_of = parser.add_subparsers(dest="step", required=True, metavar="STEP")

        def add(name: str, act: Step, words: str, *, named: bool = True) -> Any:
            added = steps_of.add_parser(name, help=words, description=words)
            added.set_defaults(act=act)
            if named:
                added.add_argument("name", help="The category.")
            added.add_argument(
                "--json", action="store_true", help="One JSON document, for programs."
            )
            added.add_argument(
                "--by", default="", metavar="USER", help="Who does it, for the log."
            )
            return added

        def versioned(name: str, act: Step, words: str, default: str) -> Any:
            added = add(name, act, words)
            added.add_argument(
                "--version", type=int, metavar="N", help=f"Default: {default}."
            )
            return added

        add("list", showing.list_all, "All categories.", named=False)
        add("status", showing.show_status, "A category, its versions and its build.")
        versioned("card", showing.show_card, "A version's errors.", "the active one")
        self._add_defining(add)
        added = versioned(
            "build",
            building.build_version,
            "Build a version, here where the provider trains here.",
            "the newest frozen one",
        )
        added.add_argument(
            "--wait", action="store_true", help="Watch a remote build to its end."
        )
        for name, act, words, default in (
            ("activate", steps.activate, "Let a version answer.", "the newest ready"),
            ("rollback", steps.rollback, "Let the former one answer.", "the former"),
        ):
            added = versioned(name, act, words, default)
            added.add_argument("--reason", default="", help="Why, for the log.")
            added.add_argument(
                "--override",
                default="",
                metavar="REASON",
                help="Activate it below the bar too, and why.",
            )
        words = "Let nobody activate a version any more."
        added = add("retire", steps.retire, words)
        added.add_argument("--version", type=int, metavar="N", required=True)
        added.add_argument("--reason", default="", help="Why, for the log.")
        words = "Delete a version, or all of the category, at the provider too."
        added = add("delete", steps.delete, words)
        which = added.add_mutually_exclusive_group(required=True)
        which.add_argument("--version", type=int, metavar="N")
        which.add_argument(
            "--all", action="store_true", help="The category with all it has."
        )
        added.add_argument("--reason", default="", help="Why, for the log.")
        self._add_evaluate(versioned)
        self._add_remote(add, versioned)

    def _add_defining(self, add: Callable[..., Any]) -> None:
        added = add("create", steps.create, "Define a category.")
        added.add_argument("--definition", required=True)
        added.add_argument("--provider", default="default", metavar="ALIAS")
        words = "Add samples to a category, or make a category of a bundle."
        added = add("import", steps.import_, words, named=False)
        added.add_argument("file", help="JSONL, CSV, lines or a bundle; - = stdin.")
        added.add_argument(
            "--into", metavar="NAME", help="The category of the samples."
        )
        added.add_argument("--name", help="The name of a bundle's category here.")
        added.add_argument("--provider", metavar="ALIAS", help="A bundle's, here.")
        added.add_argument(
            "--label", choices=["positive", "negative"], help="What plain lines are."
        )
        added.add_argument(
            "--skip", action="store_true", help="Leave out lines with a problem."
        )
        added.add_argument(
            "--dry-run", action="store_true", help="Say what would be; store nothing."
        )
        added = add("export", steps.export, "Write a category's bundle.")
        added.add_argument("file", nargs="?", help="Default: NAME.zip.")
        added.add_argument(
            "--version",
            dest="versions",
            type=int,
            action="append",
            default=[],
            metavar="N",
            help="Only this version; may be repeated.",
        )
        added.add_argument("--force", action="store_true", help="Replace the file.")
        add("freeze", steps.freeze, "Snapshot definition and samples as a version.")

    def _add_evaluate(self, versioned: Callable[..., Any]) -> None:
        words = "Measure a version on labeled samples, or by its card; for CI."
        added = versioned("evaluate", judging.evaluate, words, "the active one")
        added.add_argument("--samples", metavar="FILE", help="Labeled JSONL or CSV.")
        added.add_argument("--threshold", type=proportion, metavar="T")
        added.add_argument("--metric", choices=METRICS, default="f1")
        added.add_argument(
            "--fail-under", type=proportion, metavar="X", help="Exit with 1 below it."
        )

    def _add_remote(
        self, add: Callable[..., Any], versioned: Callable[..., Any]
    ) -> None:
        words = "List what a provider keeps; with NAME or --all, adopt it."
        added = add("adopt", remote.adopt, words, named=False)
        added.add_argument("name", nargs="?", help="The category's name there.")
        added.add_argument("number", nargs="?", help="The provider's version.")
        added.add_argument("--provider", required=True, metavar="ALIAS")
        added.add_argument(
            "--all", action="store_true", help="Adopt whatever can be adopted."
        )
        words = "Mark the versions that their provider has no more."
        added = add("compare", remote.compare, words, named=False)
        added.add_argument("--provider", metavar="ALIAS", help="Default: each.")
        versioned(
            "measure",
            remote.measure,
            "Analyze the withheld samples of a remote version for its card.",
            "the newest ready one",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        voice = Voice(self.stdout, self.stderr, options["json"])
        act: Step = options["act"]
        try:
            options["actor"] = find_actor(options["by"])
            voice.report(act(options, voice))
        except (
            RefusedError,
            InvalidTransition,
            InvalidProvider,
            EngineError,
        ) as refusal:
            raise CommandError(str(refusal)) from None
