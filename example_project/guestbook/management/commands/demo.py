"""Show the whole cycle: define, train, activate, moderate; then serve the site."""

from __future__ import annotations

import io
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import BaseCommand, CommandError, call_command
from django.db import Error as DatabaseError

from django_contentsafety.exceptions import ContentSafetyError

from ...demo import messages, outcomes, report, server, training
from ...demo.alone import alone
from ...demo.progress import Progress

DATA = Path(__file__).resolve().parents[3] / "data"
#: Seconds to wait for decisions that a save did not bring at once.
PATIENCE = 60
#: Name and password of the superuser that the demo makes.
LOGIN = "admin"


class Command(BaseCommand):
    help = (
        "Train the category crypto-scam, moderate a file of guestbook messages, print "
        "what was decided, and serve the site. Run it as often as you like."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--no-serve",
            action="store_false",
            dest="serve",
            help="stop after the table",
        )
        parser.add_argument(
            "--port",
            type=int,
            default=8000,
            help="where to serve the site (default: 8000, or the next free port)",
        )

    def handle(self, *args: Any, serve: bool, port: int, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The demo makes a superuser with a known password, so it runs with "
                "DEBUG=true only."
            )
        if isinstance(sys.stdout, io.TextIOWrapper):
            # The messages hold emoji, which not every console can print.
            sys.stdout.reconfigure(errors="replace")
        if serve:
            # A port that can't be had is said now, not after the table.
            server.free_port(port)
        try:
            with alone(settings.RUN_DIR / "demo.lock", self.say):
                self.prepare()
                self.moderate()
            if serve:
                self.serve(port)
        except ContentSafetyError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"The database refused: {error}") from error
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=130) from None

    def prepare(self) -> None:
        """Bring the database to where messages can be moderated."""
        self.say("Database: migrating …")
        call_command("migrate", interactive=False, verbosity=0)
        self.ensure_superuser()
        category, made = training.ensure_category(DATA / "crypto-scam.jsonl")
        positive = category.samples.filter(is_positive=True).count()
        negative = category.samples.count() - positive
        self.say(
            f"Category: {category} {'made' if made else 'kept'}, "
            f"{positive} positive and {negative} negative samples"
        )
        with Progress(self.stdout, f"Building {category}") as progress:
            version = training.ensure_version(category, progress)
        if version:
            self.say(
                f"Version: {version} is active. Cross-validated: "
                f"{training.describe_card(version)}"
            )
        else:
            self.say(f"Version: {category.active_version} is active already")
        training.ensure_policy()
        self.say(f"Policy: {training.POLICY} is live\n")

    def ensure_superuser(self) -> None:
        """Make one that everybody knows, unless the site has one already."""
        if User.objects.filter(is_superuser=True).exists():
            return
        if User.objects.filter(username=LOGIN).exists():
            raise CommandError(
                f"There is a user {LOGIN} who is no superuser. Run `manage.py "
                "createsuperuser` with another name, then the demo again."
            )
        User.objects.create_superuser(LOGIN, f"{LOGIN}@example.com", LOGIN)
        self.say(f"Superuser: made {LOGIN}, password {LOGIN}, for this demo only")

    def moderate(self) -> None:
        """Submit the messages, wait for the decisions and print them."""
        texts = messages.load_messages(DATA / "guestbook.jsonl")
        messages.forget(texts)
        started = time.monotonic()
        with Progress(self.stdout, "Submitting messages") as progress:
            keys = messages.submit(texts, lambda part: progress("", part))
        with Progress(self.stdout, "Waiting for decisions") as progress:
            left = outcomes.wait(keys, PATIENCE, lambda part: progress("", part))
        seconds = time.monotonic() - started
        found = outcomes.collect(texts, keys)
        for line in report.table(found, self.paint):
            self.stdout.write(line)
        self.say(f"\n{report.summary(found, seconds)}")
        if left:
            self.say(f"{left} messages are still waiting after {PATIENCE} s.")

    def serve(self, wanted: int) -> None:
        """Serve the site until it is interrupted."""
        port = server.free_port(wanted)
        if port != wanted:
            self.say(f"\nPort {wanted} is busy, so this is {port}.")
        site = f"http://{server.HOST}:{port}/"
        user = User.objects.filter(username=LOGIN, is_superuser=True).first()
        known = user is not None and user.check_password(LOGIN)
        login = f"{LOGIN} / {LOGIN}" if known else "your superuser's"
        self.say(f"\nGuestbook: {site}\nAdmin:     {site}admin/\nLogin:     {login}\n")
        call_command("runserver", f"{server.HOST}:{port}", use_reloader=False)

    def paint(self, cell: str, decision: str) -> str:
        """Color a decision on a terminal that shows colors."""
        styles = {
            "allow": self.style.SUCCESS,
            "review": self.style.WARNING,
            "block": self.style.ERROR,
        }
        return str(styles.get(decision, str)(cell))

    def say(self, text: str) -> None:
        # Flushed, so that a reader of a pipe sees each step when it happens.
        self.stdout.write(text)
        self.stdout.flush()
