"""The run itself: builds asked for, workers killed, until everything has its end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django_contentsafety.testing import fault_server
from django_contentsafety.testing.fault_server import Reply, Request, answer, status
from django_contentsafety.testing.trainer import Fault, Trainer

WORKERS = 3
#: Seconds between two kills; and where builds end faster than workers die.
EVERY, HASTY = (0.9, 2.1), (0.2, 0.6)
#: Seconds without any progress after which it is over.
CALM = 60.0
#: One answer in six goes wrong, and one in three hundred needs a person.
WRONG, REFUSED = 1 / 6, 1 / 300
FAULTS = (
    status(429, retry_after="1"),
    status(500),
    status(503),
    status(409, {"error": {"code": "Conflict"}}),
    fault_server.reset(),
    fault_server.hang_up(),
    fault_server.truncated({"status": "running"}, 9),
    fault_server.body(b"<html>Sorry", "text/html"),
    answer({"hello": "world"}),
)
#: The service takes its time, so that a kill meets a request on its way.
SECONDS = 0.03


def promised(builds: int) -> dict[str, int]:
    """Kills that a run of so many builds must have made, and those that must have cut
    a step off."""
    return {"kills": max(builds // 2, 5), "steps_cut": max(builds // 12, 1)}


@dataclass(slots=True)
class Fire:
    builds: int
    seed: int
    folder: Path
    trainer: Trainer = field(init=False)
    rng: random.Random = field(init=False)
    #: The trainer's threads have their own.
    dice: random.Random = field(init=False)
    asked: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    #: Builds that go on.
    left: int = 0
    helped: Counter[str] = field(default_factory=Counter)
    workers: dict[int, float] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.seed}/kills")  # noqa: S311
        self.dice = random.Random(f"{self.seed}/faults")  # noqa: S311
        script = ["queued", *["running"] * 5, "succeeded"]
        self.trainer = Trainer(
            script=script,
            removal=["running"] * 6,
            chance=self._chance,
            # Else it would be the trainer that keeps the promise.
            refuses=False,
        )

    def __call__(self, request: Request) -> Reply:
        reply = self.trainer(request)
        with self.lock:
            return replace(reply, delay=self.dice.uniform(0, SECONDS))

    def run(self, nursery: subprocess.Popen[str]) -> dict[str, Any]:
        """All of it; the facts for the report."""
        from django_contentsafety.models import BuildJob

        began = time.monotonic()
        for _ in range(WORKERS):
            self._fork(nursery)
        ask = self._questions()
        kill_at = time.monotonic() + 1.0
        moved_at, seen = time.monotonic(), ""
        while True:
            next(ask, None)
            if time.monotonic() >= kill_at:
                self._kill(nursery)
                kill_at = time.monotonic() + self._pause()
            now = self._look()
            if self.asked["builds"] == self.builds and not now:
                break
            if now != seen:
                moved_at, seen = time.monotonic(), now
            elif time.monotonic() - moved_at > CALM:
                break
            time.sleep(0.02)
        for pid in self.workers:
            _end(pid)
        return self._judge(BuildJob) | {"seconds": round(time.monotonic() - began, 1)}

    def _questions(self) -> Any:
        """A build a step, so that they are asked for while workers die."""
        from django_contentsafety.flows import build
        from tests.building import freeze

        for number in range(self.builds):
            kind = "remote" if number % 2 else "local"
            # Every fifth one of the local ones is trained for real.
            size = 20 if number % 10 else 21
            build.start(freeze(kind, f"c{number}", size=size), by="7")
            self.asked["builds"] += 1
            self.asked[kind] += 1
            yield

    def _look(self) -> str:
        """What goes on, empty where nothing does. A person helps what needs one, and
        has a third of the remote versions deleted."""
        from django.db.models import Sum

        from django_contentsafety.flows import build, removing
        from django_contentsafety.models import BuildJob, CategoryVersion

        live = BuildJob.objects.filter(status__in=BuildJob.LIVE)
        for job in live.filter(status="needs_attention"):
            self.helped[job.error_code] += 1
            build.try_again(job, by="7")
        versions = CategoryVersion.objects.select_related("category").defer(
            "samples_jsonl", "artifact"
        )
        for version in versions.filter(
            status__in=["ready", "delete_failed"],
            provider="remote",
            pk__in=self._third(),
        ):
            self.helped["delete_failed"] += version.status == "delete_failed"
            removing.delete(version, by="7")
        if self.rng.random() < 0.01:
            self.trainer.forget_operations()
        deleting = versions.filter(status="deleting").count()
        self.left = left = live.count()
        if not left and not deleting:
            return ""
        polls = live.aggregate(n=Sum("poll_count"))["n"]
        return f"{left} {deleting} {polls} {len(self.trainer.operations)}"

    def _third(self) -> list[int]:
        from django_contentsafety.models import CategoryVersion

        pks = CategoryVersion.objects.filter(provider="remote").order_by("pk")
        return list(pks.values_list("pk", flat=True))[::3]

    def _chance(self, step: str) -> Fault | None:
        with self.lock:
            self.asked["requests"] += 1
            roll = self.dice.random()
            if roll < REFUSED:
                self.asked["faults"] += 1
                return Fault(status(401))
            if roll < WRONG:
                self.asked["faults"] += 1
                return Fault(self.dice.choice(FAULTS), acts=self.dice.random() < 0.5)
        return None

    def _fork(self, nursery: subprocess.Popen[str]) -> None:
        assert nursery.stdin
        assert nursery.stdout
        nursery.stdin.write("\n")
        nursery.stdin.flush()
        self.workers[int(nursery.stdout.readline())] = time.monotonic()

    def _pause(self) -> float:
        """Until the next kill: they keep pace with the builds, and a quarter more."""
        share = (self.asked["builds"] - self.left) / self.builds
        due = 1.25 * promised(self.builds)["kills"] * share
        return self.rng.uniform(*(HASTY if self.kills < due else EVERY))

    def _kill(self, nursery: subprocess.Popen[str]) -> None:
        pid = self.rng.choice(sorted(self.workers))
        del self.workers[pid]
        if _end(pid):
            self.kills += 1
        else:
            self.asked["ended_by_themselves"] += 1
        self._fork(nursery)

    def _judge(self, jobs: Any) -> dict[str, Any]:
        from django_contentsafety.models import CategoryVersion, LogEntry

        built = LogEntry.objects.filter(event="built").values_list("subject", flat=True)
        states = Counter(jobs.objects.values_list("status", flat=True))
        third = set(self._third())
        versions = dict(CategoryVersion.objects.values_list("pk", "status"))
        twice = [path for path, n in self.trainer.starts.items() if n > 1]
        return {
            "builds": self.builds,
            "local": self.asked["local"],
            "remote": self.asked["remote"],
            "finished": states["succeeded"],
            "unfinished": {s: n for s, n in states.items() if s != "succeeded"},
            "started": len(self.trainer.starts),
            "started_twice": len(twice),
            "registered_twice": _over(self.trainer.registrations),
            "finished_twice": _over(Counter(built)),
            "deletions": len(third),
            "deleted": sum(versions[pk] == "deleted" for pk in third),
            "deleted_twice": _over(self.trainer.removals),
            "kills": self.kills,
            "steps_cut": self._cut(),
            "ended_by_themselves": self.asked["ended_by_themselves"],
            "requests": self.asked["requests"],
            "faults": self.asked["faults"],
            "helped_by_a_person": dict(self.helped),
            "polls": sum(jobs.objects.values_list("poll_count", flat=True)),
        }

    def _cut(self) -> int:
        """Steps that a worker began, and a kill kept it from ending."""
        begun: Counter[str] = Counter()
        for line in (self.folder / "journal").read_text().splitlines():
            sign, _, rest = line.partition(" ")
            begun[rest] += 1 if sign == "+" else -1
        return sum(count for count in begun.values() if count > 0)


def _over(counts: Counter[str]) -> int:
    return sum(count > 1 for count in counts.values())


def _end(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def start_nursery(log: Path) -> subprocess.Popen[str]:
    """The process that forks the workers, ready."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.builds.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
