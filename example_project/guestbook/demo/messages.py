"""The messages of the demo, and their way into the guestbook."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from django.core.management import CommandError
from django.test import Client
from django.urls import reverse

from ..models import Entry

#: Browsers send a host, and the site refuses any that it doesn't know.
HOST = {"host": "localhost"}


@dataclass(frozen=True, slots=True)
class Message:
    """One made-up message, and the kind it was written as."""

    text: str
    kind: str
    name: str


def load_messages(path: Path) -> list[Message]:
    """Read the file, one JSON object a line."""
    messages = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CommandError(f"{path.name} can't be read: {error.strerror}.") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            message = Message(text=row["text"], kind=row["kind"], name=row["name"])
        except (ValueError, KeyError, TypeError):
            raise CommandError(
                f"{path.name}, line {number}: this is no message. Write "
                '{"text": "…", "kind": "…", "name": "…"} on a line of its own.'
            ) from None
        messages.append(message)
    return messages


def forget(messages: Sequence[Message]) -> None:
    """Delete what an earlier demo wrote, known by its exact name and text."""
    for message in messages:
        Entry.objects.filter(
            author=None, name=message.name, message=message.text
        ).delete()


def submit(messages: Sequence[Message], progress: Callable[[float], None]) -> list[int]:
    """Post each through the guestbook's form, as a browser does; return the keys."""
    keys = []
    for number, message in enumerate(messages, start=1):
        # Every guest has a session of their own.
        browser = Client(enforce_csrf_checks=True, headers=HOST)
        page = reverse("guestbook")
        browser.get(page)
        token = browser.cookies["csrftoken"].value
        response = browser.post(
            page,
            {
                "name": message.name,
                "message": message.text,
                "csrfmiddlewaretoken": token,
            },
        )
        if response.status_code != 302:
            raise CommandError(
                f"The guestbook did not take the message of {message.name}: it "
                f"answered with status {response.status_code}."
            )
        keys.append(
            int(parse_qs(urlsplit(response.headers["Location"]).query)["entry"][0])
        )
        progress(number / len(messages))
    return keys
