"""A command in a process of its own, with a scripted dummy, on the test's databases.

``TEST_ALIASES`` are the moderated ones, ``TEST_PAUSE`` the seconds a text takes.
"""

from __future__ import annotations

import os
import sys
import threading

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import execute_from_command_line  # noqa: E402

from tests.policies import by_words, script  # noqa: E402

settings.CONTENTSAFETY_DATABASES = os.environ["TEST_ALIASES"].split(",")
PAUSE = float(os.environ.get("TEST_PAUSE", "0"))


def slowly(text: str) -> dict[str, int]:
    threading.Event().wait(PAUSE)
    return by_words(text)


script(slowly)
execute_from_command_line(["manage.py", *sys.argv[1:]])
