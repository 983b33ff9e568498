"""Forks workers: one a line of its input, whose number it answers with.

What a worker imports and reads (the engine takes a second) is had once, here; it opens
no connection itself. A worker is ``contentsafety_worker``, and in a hurry.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import django

django.setup()

import sklearn.linear_model  # noqa: E402, F401
from django.core.management import call_command  # noqa: E402

from django_contentsafety.engine.samples import write_jsonl  # noqa: E402
from django_contentsafety.flows import advancing, removing  # noqa: E402
from django_contentsafety.management.commands import contentsafety_worker  # noqa: E402
from django_contentsafety.providers import BuildRequest, local  # noqa: E402
from tests import training  # noqa: E402
from tests.building import DEFINITION  # noqa: E402
from tests.engine.made_up import make_samples  # noqa: E402

from .run import Run, hurry  # noqa: E402

# Most builds have the same samples, and are trained here, once: a training takes three
# seconds, and kills would seldom fall on anything else. The others are trained anew.
local.classifier = training.once  # type: ignore[assignment]
local.LocalProvider("local").poll(
    BuildRequest(
        name="any",
        version=1,
        definition=DEFINITION,
        samples=write_jsonl(make_samples(20, 20)),
        operation_id="",
    ),
    "",
    lambda *said: None,
)

RUN = Run.load()


def note(module: Any) -> None:
    """Write down what is begun and ended: what a kill cut off has no end."""
    claim, advance = module._claim, module.advance
    journal = os.open(RUN.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    held: list[int] = []

    def claim_and_tell(pk: int) -> Any:
        row = claim(pk)
        if row is not None:
            held.append(pk)
            os.write(journal, f"+ {os.getpid()} {module.__name__} {pk}\n".encode())
        return row

    def advance_and_tell(pk: int, **options: Any) -> Any:
        done = advance(pk, **options)
        if held:
            held.clear()
            os.write(journal, f"- {os.getpid()} {module.__name__} {pk}\n".encode())
        return done

    module._claim, module.advance = claim_and_tell, advance_and_tell


def work() -> None:
    from django_contentsafety.flows import build

    hurry()
    note(advancing)
    note(removing)
    build.advance = advancing.advance
    contentsafety_worker.IDLE = 0.1
    call_command("contentsafety_worker", stdout=sys.stderr)


# Its children's ends are nobody's business here.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _line in sys.stdin:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            sys.stdin.close()
            work()
            status = 0
        finally:
            os._exit(status)
    sys.stdout.write(f"{child}\n")
    sys.stdout.flush()
