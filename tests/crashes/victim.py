"""A process that is killed in the middle of a transition, once a line of its input.

    alias name point → the signal that ended it, or 0

It opens no connection itself: each transition runs in a fork, with its own.
"""

from __future__ import annotations

import os
import sys

import django

django.setup()

from tests.crashes import site  # noqa: E402
from tests.crashes.points import RealProcess  # noqa: E402
from tests.crashes.transitions import TRANSITIONS  # noqa: E402


def die(alias: str, name: str, point: int) -> None:
    step = TRANSITIONS[name]
    site.set_up()
    prepared = step.prepare(alias)
    process = RealProcess({alias, "default"}, at=point)
    process.run(lambda: step.act(alias, prepared))


for line in sys.stdin:
    alias, name, point = line.split()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            die(alias, name, int(point))
            status = 0
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    answer = os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else -os.WEXITSTATUS(ended)
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()
