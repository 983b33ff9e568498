"""One storm over one broker: set up, let loose, calm down, wait, judge."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import database, journal, texts
from .brokers import Brokers
from .killer import APPLICATION, Killer, promised
from .processes import Process, python, wait_until
from .run import VARIABLE, Run

#: Committed texts a second, all savers together: what two cores carry beside the rest.
RATE = 38.0
SAVERS, WORKERS = 2, 2
FAKETIME = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
)
#: Seconds by which the workers' clocks are wrong.
SKEWS = (600, -600)
#: The naive control may go on for so long without any progress, in seconds.
CALM = 8.0


@dataclass(slots=True)
class Storm:
    saves: int
    broker: str
    kind: str
    seed: int
    folder: Path
    naive_every: int = 3
    #: Breakers that opened, by provider.
    trips: dict[str, int] = field(default_factory=dict)
    #: Bad texts that a reader could see, of how many looks.
    shown_bad: int = 0
    looks: int = 0
    drained_in: float = 0.0
    dumped_at: float = 0.0
    processes: list[Process] = field(default_factory=list)

    def run(self) -> dict[str, Any]:
        """All of it; the facts for the report."""
        name = f"contentsafety_chaos_{os.getpid()}_{self.broker}"
        (self.folder / "logs").mkdir(parents=True)
        os.environ[VARIABLE] = str(self.folder)
        (self.folder / "seed.json").write_text(json.dumps({"seed": self.seed}))
        version = database.create(self.kind, name)
        brokers = Brokers(self.broker, self.folder, name)
        try:
            run = self._set_up(name, brokers)
            return self._storm(run, brokers) | {
                "database": version,
                "broker": brokers.version(),
            }
        finally:
            for process in reversed(self.processes):
                process.end()
            brokers.end()
            from django.db import connections

            connections.close_all()
            database.drop(self.kind, name)

    def _set_up(self, name: str, brokers: Brokers) -> Run:
        brokers.start()
        self._process("provider", "tests.chaos.provider").start()
        url = self.folder / "provider.url"
        wait_until(url.exists, 20, "the provider's address")
        rng = random.Random(f"{self.seed}/canaries")  # noqa: S311
        run = Run(
            seed=self.seed,
            rate=RATE / SAVERS,
            naive_every=self.naive_every,
            database=database.settings_for(self.kind, name, self.folder),
            broker_url=brokers.url,
            results_url=brokers.results_url,
            provider_url=url.read_text(),
            queue=name,
            **texts.new_canaries(rng),
        )
        run.save()
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.chaos.settings"
        import django

        django.setup()
        from .site import prepare

        prepare()
        return run

    def _storm(self, run: Run, brokers: Brokers) -> dict[str, Any]:
        from django_contentsafety.models import ModerationState

        workers = [self._worker(run, number) for number in range(WORKERS)]
        sweepers = [
            self._process("sweep", "tests.chaos.manage", "contentsafety_sweep"),
            self._process(
                "beat", "celery", "-A", "tests.chaos.worker", "beat", "-l", "INFO",
                "-s", f"{self.folder}/beat-{{}}", "--pidfile=",
            ),
        ]  # fmt: skip
        savers = [
            self._process(f"saver-{slot}", "tests.chaos.saver", str(slot), "{}")
            for slot in range(SAVERS)
        ]
        for process in (*workers, *sweepers):
            process.environment["PGAPPNAME"] = APPLICATION
            process.start()
        wait_until(lambda: all(w.children() for w in workers), 60, "the workers")
        rng = random.Random(f"{self.seed}/killer")  # noqa: S311
        killer = Killer(rng, brokers, workers, sweepers, savers)
        promises = promised(self.saves)
        if self.kind != "postgresql":
            del promises["connection"]
        run = replace(run, began=time.time())
        run.save()
        for process in savers:
            process.start()
        seconds = self.saves / RATE
        killer.plan(promises, seconds)
        began = time.monotonic()
        self._rage(killer, promises, brokers, seconds)
        raged = time.monotonic() - began
        killer.stop()
        (self.folder / "stop").touch()
        wait_until(lambda: not any(s.runs for s in savers), 60, "the savers' end")
        crashed = [name for name in killer.ended if name.startswith("saver")]
        waiting = ModerationState.objects.pending().count()
        self._recover(brokers)
        return self._judge(run) | {
            "seconds": round(raged, 1),
            "promised": promises,
            "kills": killer.kills,
            "broker_down_seconds": round(sum(e - b for b, e in killer.down), 1),
            "provider_in_recovery": "well",
            "down": killer.down,
            "ended_by_themselves": killer.ended,
            "savers_crashed": crashed,
            "waiting_when_it_ended": waiting,
            "drained_in_seconds": round(self.drained_in, 1),
            "breaker_trips": self.trips,
            "shown_bad": self.shown_bad,
            "looks": self.looks,
        }

    def _rage(
        self, killer: Killer, promises: dict[str, int], brokers: Brokers, seconds: float
    ) -> None:
        """Until enough was saved and killed, or three times as long as planned."""
        until = time.monotonic() + 3 * seconds + 60
        looked = time.monotonic()
        while time.monotonic() < until:
            killer.tick()
            if time.monotonic() - looked > 1.0:
                looked = time.monotonic()
                self._look()
                self._dump(brokers)
                paths = self.folder.glob("journal-*.jsonl")
                enough = sum(map(journal.saves_in, paths)) >= self.saves
                if enough and not killer.missing(promises):
                    return
            time.sleep(0.03)

    def _look(self) -> None:
        """As a stranger: no bad text is ever shown, nor while it waits."""
        from django_contentsafety.models import ProviderHealth

        from .models import Post, Reply

        for model in (Post, Reply):
            bad = model.objects.visible().filter(body__regex="bad|dubious")
            if model is Reply:
                bad = model.objects.visible().filter(body__regex="bad|dubi|lewd|doubt")
            self.shown_bad += bad.exclude(body__contains=texts.UNSEEN).count()
            self.looks += 1
        opened = ProviderHealth.objects.exclude(open_until=None)
        for alias, until in opened.values_list("provider", "open_until"):
            known = self.folder / "trips"
            line = f"{alias} {until}\n"
            if not known.exists() or line not in known.read_text():
                with known.open("a") as file:
                    file.write(line)
                self.trips[alias] = self.trips.get(alias, 0) + 1

    def _recover(self, brokers: Brokers) -> None:
        """The provider is well again; wait until nothing waits any more."""
        from django.core.management import call_command

        from django_contentsafety.models import ModerationState

        from .models import NaivePost, Note, Post, Reply

        provider = self.processes[0]
        os.kill(provider.pid, signal.SIGUSR1)
        began = time.monotonic()
        # What an update in SQL wrote is a nightly pass's to find: let it be night.
        for model in (Post, Reply, Note):
            call_command("contentsafety_moderate", model._meta.label, yes=True)
        until = began + 60 + self.saves / 30
        while ModerationState.objects.pending().exists():
            if time.monotonic() > until:
                break
            self._look()
            self._dump(brokers)
            time.sleep(0.2)
        self.drained_in = time.monotonic() - began
        lost = NaivePost.objects.filter(decision="")
        progress, since = lost.count(), time.monotonic()
        while progress and time.monotonic() - since < CALM:
            time.sleep(0.2)
            if (now := lost.count()) != progress:
                progress, since = now, time.monotonic()
        brokers.dump()

    def _dump(self, brokers: Brokers) -> None:
        """Now and then, beside each time before Redis is killed."""
        if time.monotonic() - self.dumped_at > 5.0:
            self.dumped_at = time.monotonic()
            brokers.dump()

    def _judge(self, run: Run) -> dict[str, Any]:
        from .evidence import collect

        return collect(self.folder, run)

    def _process(self, name: str, module: str, *arguments: str) -> Process:
        log = self.folder / "logs" / f"{name}.log"
        process = Process(name, python(module, *arguments), log)
        self.processes.append(process)
        return process

    def _worker(self, run: Run, number: int) -> Process:
        process = self._process(
            f"worker-{number}", "celery", "-A", "tests.chaos.worker", "worker",
            "-Q", run.queue, "-n", f"{run.queue}-{number}-{{}}@%h",
            "-P", "prefork", "-c", str(max(min(os.cpu_count() or 2, 3), 2)),
            "-l", "INFO", "--without-mingle", "--without-gossip",
        )  # fmt: skip
        if library := faketime():
            process.environment = {
                "LD_PRELOAD": library,
                "FAKETIME": f"{SKEWS[number % 2]:+d}s",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "PYTHONPATH": str(Path(__file__).parent / "skewed"),
            }
        return process


def faketime() -> str:
    """The library that turns clocks; empty where it isn't installed."""
    return next((path for path in FAKETIME if Path(path).exists()), "")


def missing_programs(broker: str, kind: str) -> list[str]:
    """Why there can't be a storm here, in words."""
    from shutil import which

    from tests import servers

    found = [] if which("redis-server") else ["redis-server is not installed"]
    if broker == "rabbitmq" and (reason := servers.why_not("rabbitmq")):
        found.append(reason)
    if kind in servers.DATABASES and (reason := servers.why_not(kind)):
        found.append(reason)
    if not faketime() and os.environ.get("CI", "") in ("1", "true"):
        found.append("faketime is not installed, and CI demands skewed clocks")
    if sys.platform != "linux":
        found.append("it needs /proc: run it on Linux")
    return found
