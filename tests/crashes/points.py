"""Where a process may end: between any two statements, and around each COMMIT.

What happens between two statements is not durable, so after one is before the next:
a transition of n statements and COMMITs has n + 1 points. What a provider is asked to
do is durable, at the provider: each request counts as a statement.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn
from unittest import mock

from django.db import connections

from django_contentsafety.http import Client


class Crash(BaseException):
    """The process is no more. Nothing of ours may catch it."""


class Process:
    """Counts the points it passes, and ends ``at`` one of them (None = at none)."""

    def __init__(self, aliases: Collection[str], at: int | None = None) -> None:
        self.aliases = aliases
        self.at = at
        self.passed = 0
        self.is_dead = False

    def run(self, act: Callable[[], object]) -> int:
        """Run ``act``; return how many points it has. Swallow the crash alone."""
        try:
            with self._watching():
                act()
                self._reach()
        except Crash:
            for alias in self.aliases:
                _abandon(connections[alias])
        return self.passed

    def end(self) -> NoReturn:
        self.is_dead = True
        raise Crash

    def _reach(self) -> None:
        # One that is dead does nothing more: no rollback, no callback, no clean-up.
        if self.is_dead:
            raise Crash
        if self.passed == self.at:
            self.end()
        self.passed += 1

    @contextmanager
    def _watching(self) -> Iterator[None]:
        def execute(proceed: Any, *args: Any) -> Any:
            self._reach()
            return proceed(*args)

        with ExitStack() as stack:
            for alias in self.aliases:
                connection = connections[alias]
                connection.ensure_connection()
                stack.enter_context(connection.execute_wrapper(execute))
                # BEGIN and savepoints are statements, or move nothing durable.
                self._guard(stack, connection, "_commit", self._reach)
                for name in ("_rollback", "_set_autocommit", "_close"):
                    self._guard(stack, connection, name, self._live)
            self._guard(stack, Client, "request", self._reach)
            yield

    def _live(self) -> None:
        if self.is_dead:
            raise Crash

    def _guard(
        self, stack: ExitStack, connection: Any, name: str, first: Callable[[], None]
    ) -> None:
        proceed = getattr(connection, name)

        def guarded(*args: Any, **options: Any) -> Any:
            first()
            return proceed(*args, **options)

        stack.enter_context(mock.patch.object(connection, name, guarded))


class RealProcess(Process):
    """One that the kernel ends."""

    def end(self) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")


def _abandon(connection: Any) -> None:
    """Close the socket as a dead process's is closed, and forget all about it."""
    raw, connection.connection = connection.connection, None
    connection.in_atomic_block = connection.closed_in_transaction = False
    connection.needs_rollback = False
    connection.run_commit_hooks_on_set_autocommit_on = False
    connection.run_on_commit = []
    if raw is not None:
        raw.close()
