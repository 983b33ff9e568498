"""Who is killed when: seeded, spread over the storm, counted when it hit."""

from __future__ import annotations

import contextlib
import heapq
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from .brokers import Brokers
from .processes import Process, listens, wait_until

#: Kills that 1,500 and 10,000 saves promise.
SMALL = {
    "broker": 8,
    "worker": 6,
    "pool_child": 10,
    "sweeper": 4,
    "saver": 4,
    "connection": 5,
}
LARGE = {
    "broker": 50,
    "worker": 40,
    "pool_child": 100,
    "sweeper": 36,
    "saver": 24,
    "connection": 30,
}
#: Seconds a broker stays dead.
DOWN = (0.5, 2.0)
#: Seconds a process must have lived to be worth a kill.
GROWN = {"worker": 2.5, "sweeper": 1.5, "saver": 1.0}
#: Seconds after which a worker without children will have none any more.
HUNG = 10.0


#: How workers and sweepers call themselves to PostgreSQL, whose connections are cut: a
#: saver's would be an error that a user sees, and rightly.
APPLICATION = "chaos-worker"


def promised(saves: int) -> dict[str, int]:
    """Kills that a storm of so many saves must have made, by kind."""
    share = min(max((saves - 1500) / 8500, 0.0), 1.0)
    part = min(saves / 1500, 1.0)
    return {
        kind: max(round((SMALL[kind] + (LARGE[kind] - SMALL[kind]) * share) * part), 1)
        for kind in SMALL
    }


@dataclass(slots=True)
class Killer:
    """Kills while ``tick`` is called; ``down`` are the broker's absences."""

    rng: random.Random
    brokers: Brokers
    workers: list[Process]
    sweepers: list[Process]
    savers: list[Process]
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SMALL, 0))
    down: list[tuple[float, float]] = field(default_factory=list)
    #: Processes that ended though nobody killed them, by name.
    ended: dict[str, int] = field(default_factory=dict)
    _resting: set[str] = field(default_factory=set)
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _number: count[int] = field(default_factory=count)

    def plan(self, promises: dict[str, int], seconds: float) -> None:
        """Spread a tenth more than was promised over the time."""
        for kind, number in promises.items():
            every = seconds / (number * 1.1 + 1)
            for turn in range(round(number * 1.1 + 0.5)):
                at = every * (turn + self.rng.uniform(0.4, 1.2))
                self._at(at, lambda kind=kind: self._strike(kind))

    def tick(self) -> None:
        """Do what is due, and start what ended by itself, as a supervisor would."""
        while self._due and self._due[0][0] <= time.monotonic():
            heapq.heappop(self._due)[2]()
        for process in (*self.workers, *self.sweepers, *self.savers):
            if not process.runs and process.name not in self._resting:
                self.ended[process.name] = self.ended.get(process.name, 0) + 1
                self._rest(process, 0.5)

    def missing(self, promises: dict[str, int]) -> dict[str, int]:
        """What is short of the promise."""
        return {
            kind: number - self.kills[kind]
            for kind, number in promises.items()
            if self.kills[kind] < number
        }

    def stop(self) -> None:
        """No more kills; what is dead is started again."""
        self._due.clear()
        for process in (*self.workers, *self.sweepers, self.brokers.victim):
            if not process.runs:
                process.start()
        if self.down and self.down[-1][1] == 0.0:
            self.down[-1] = (self.down[-1][0], time.time())

    def _at(self, seconds: float, act: Callable[[], None]) -> None:
        entry = (time.monotonic() + seconds, next(self._number), act)
        heapq.heappush(self._due, entry)

    def _strike(self, kind: str) -> None:
        hit = {
            "broker": self._broker,
            "worker": lambda: self._process(kind, self.workers),
            "pool_child": self._child,
            "sweeper": lambda: self._process(kind, self.sweepers),
            "saver": lambda: self._process(kind, self.savers),
            "connection": self._connection,
        }[kind]()
        if hit:
            self.kills[kind] += 1
        else:
            # Nobody was there to be hit: another try.
            self._at(0.4, lambda: self._strike(kind))

    def _broker(self) -> bool:
        victim = self.brokers.victim
        port = self.brokers.redis_port
        if self.brokers.kind == "rabbitmq":
            port = self.brokers.port
        if not victim.runs or not listens(port):
            return False
        self.brokers.dump()
        victim.kill()
        self.down.append((time.time(), 0.0))
        self._at(self.rng.uniform(*DOWN), lambda: self._revive(victim, port))
        return True

    def _revive(self, victim: Process, port: int) -> None:
        """Start it, and note when it answers: a few hundredths, waited for here."""
        victim.start()
        wait_until(lambda: listens(port), 10, "the broker's return")
        self.down[-1] = (self.down[-1][0], time.time())

    def _process(self, kind: str, processes: list[Process]) -> bool:
        grown = [p for p in processes if p.runs and p.age > GROWN[kind]]
        if kind == "worker":
            # One that lost its children for good (Celery's own bug) is dead wood.
            grown = [p for p in grown if p.children() or p.age > HUNG]
        if not grown:
            return False
        process = self.rng.choice(grown)
        if not process.kill():
            return False
        self._rest(process, self.rng.uniform(0.05, 0.5))
        return True

    def _rest(self, process: Process, seconds: float) -> None:
        def start() -> None:
            self._resting.discard(process.name)
            process.start()

        self._resting.add(process.name)
        self._at(seconds, start)

    def _child(self) -> bool:
        children = [
            pid
            for worker in self.workers
            if worker.runs and worker.age > GROWN["worker"]
            for pid in worker.children()
        ]
        if not children:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.rng.choice(children), signal.SIGKILL)
            return True
        return False

    def _connection(self) -> bool:
        """Cut a worker's connection to the database: at work, if any is."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND "
                "datname = current_database() ORDER BY state = 'idle', pid LIMIT 3",
                [APPLICATION],
            )
            pids = [pid for (pid,) in cursor.fetchall()]
            if not pids:
                return False
            cursor.execute("SELECT pg_terminate_backend(%s)", [self.rng.choice(pids)])
            (done,) = cursor.fetchone()
        return bool(done)
