"""A service that trains, scripted: hours of polls, faults at any step, and a count.

>>> trainer = Trainer(script=["queued", *["running"] * 120, "succeeded"])
>>> trainer.fail("submit", Fault(reset(), acts=True))
>>> with FaultServer(trainer) as server:
...     provider = RemoteProvider("remote", endpoint=server.url, key="k")

It plays the part of ``RemoteProvider``'s protocol that builds and deletes, one instance
a test. ``starts``, ``registrations`` and ``removals`` count by the version's path what
was really begun, so that one begun twice can be seen.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .fault_server import Reply, Request, answer, status

#: What a provider asks for, as faults name it: a version, a new version, an operation,
#: a build, a deletion, all versions.
STEPS = ("look", "register", "ask", "submit", "remove", "list")


@dataclass(frozen=True, slots=True)
class Fault:
    """One answer that goes wrong."""

    reply: Reply
    #: Whether the service does what it was asked for all the same: the answer is lost.
    acts: bool = False


#: What becomes of a request at a step; None = it is answered as it should be.
Chance = Callable[[str], Fault | None]


class Trainer:
    """``script`` are the words of a build's polls in turn, the last again and again;
    ``removal`` those of a deletion, after which the version is gone.

    *succeeded* and *failed* end it, with ``code``; any other word goes on. ``chance``
    may fail any request that ``fail`` plans nothing for. With ``refuses=False`` it does
    twice what it is asked for twice, so that only asking first keeps one from that.
    It keeps ``slots`` versions (None: any), and lists ``page`` of them at a time.
    """

    def __init__(
        self,
        *,
        script: Sequence[str] = ("succeeded",),
        removal: Sequence[str] = ("running",),
        code: str = "TooAlike",
        chance: Chance | None = None,
        refuses: bool = True,
        slots: int | None = None,
        page: int = 100,
    ) -> None:
        self.script, self.removal, self.code = list(script), list(removal), code
        self.starts: Counter[str] = Counter()
        self.registrations: Counter[str] = Counter()
        self.removals: Counter[str] = Counter()
        self.polls: Counter[str] = Counter()
        #: The operations of the builds that were started, in order.
        self.operations: list[str] = []
        self.refuses = refuses
        #: How many versions it keeps (None: any), and how many of them a page lists.
        self.slots, self.page = slots, page
        self._chance = chance or (lambda step: None)
        self._faults: dict[str, deque[Fault]] = {step: deque() for step in STEPS}
        self._versions: dict[str, dict[str, Any]] = {}
        #: By operation: the path of its version.
        self._builds: dict[str, str] = {}
        self._removals: dict[str, str] = {}
        self._numbers = 0
        self._lock = threading.Lock()

    def fail(self, step: str, *faults: Fault) -> None:
        """Let the next requests of this step go wrong, one a fault."""
        self._faults[step].extend(faults)

    def put(self, name: str, status: str = "succeeded", **facts: str) -> str:
        """Keep a version that was made elsewhere; return the service's number of it."""
        with self._lock:
            self._numbers += 1
            number = str(self._numbers)
            self._versions[f"/categories/{name}/versions/elsewhere-{number}"] = {
                "version": number,
                "sha256": "",
                "definition": "Made elsewhere.",
                "status": status,
                "fraction": 0.0,
                **facts,
            }
        return number

    def lose(self, number: str) -> dict[str, dict[str, Any]]:
        """Have no version of this number any more; give it back to ``restore``."""
        with self._lock:
            lost = {p: v for p, v in self._versions.items() if v["version"] == number}
            self._versions = {p: v for p, v in self._versions.items() if p not in lost}
        return lost

    def restore(self, lost: dict[str, dict[str, Any]]) -> None:
        with self._lock:
            self._versions |= lost

    def forget_operations(self) -> None:
        """Know the versions alone, as services do after a while."""
        with self._lock:
            self._builds.clear()
            self._removals.clear()

    def __call__(self, request: Request) -> Reply:
        """The reply to ``request``."""
        with self._lock:
            step, act = self._read(request)
            planned = self._faults[step]
            fault = planned.popleft() if planned else self._chance(step)
            if fault is None:
                return act()
            if fault.acts:
                act()
            return fault.reply

    def _read(self, request: Request) -> tuple[str, Callable[[], Reply]]:
        path, query = urlsplit(request.path)[2:4]
        if path == "/categories":
            start = int(parse_qs(query).get("from", ["0"])[0])
            return "list", lambda: self._list(start)
        path = self._resolved(path)
        if path == "/builds":
            return "submit", lambda: self._submit(request.data)
        if path.startswith("/operations/"):
            return "ask", lambda: self._ask(path.rpartition("/")[2])
        if request.method == "PUT":
            return "register", lambda: self._register(path, request.data)
        if request.method == "DELETE":
            operation = parse_qs(query).get("operation", [""])[0]
            return "remove", lambda: self._remove(path, operation)
        return "look", lambda: self._look(path)

    def _resolved(self, path: str) -> str:
        """The version's own path, where it is asked for by the service's number."""
        start, is_kept, number = path.rpartition("/kept/")
        if not is_kept:
            return path
        for known, version in self._versions.items():
            if known.startswith(f"{start}/") and version["version"] == number:
                return known
        return path

    def _list(self, start: int) -> Reply:
        entries = [
            {
                "name": unquote(path.split("/")[2]),
                "created": "2026-11-22T08:00:00Z",
                **{k: v for k, v in version.items() if k not in ("sha256", "fraction")},
            }
            for path, version in self._versions.items()
        ]
        more = len(entries) > start + self.page
        return answer({"value": entries[start : start + self.page], "more": more})

    def _look(self, path: str) -> Reply:
        if path in self._versions:
            self._move_on(path)
        if path not in self._versions:
            return _error(404, "VersionNotFound")
        return answer(self._versions[path])

    def _register(self, path: str, data: dict[str, str]) -> Reply:
        if path in self._versions and self.refuses:
            return _error(409, "VersionExists")
        if self.slots is not None and len(self._versions) >= self.slots:
            return _error(409, "SlotsFull")
        self.registrations[path] += 1
        self._numbers += 1
        self._versions[path] = {
            "version": str(self._numbers),
            "sha256": sha256(data["samples"].encode()).hexdigest(),
            "definition": data["definition"],
            "status": "registered",
            "fraction": 0.0,
        }
        return answer(self._versions[path], 201)

    def _submit(self, data: dict[str, str]) -> Reply:
        found = [
            p for p, v in self._versions.items() if v["version"] == data["version"]
        ]
        if not found:
            return _error(404, "VersionNotFound")
        (path,) = found
        version = self._versions[path]
        if self.refuses and data["operation"] in self._builds:
            return _error(409, "OperationExists")
        if self.refuses and version["status"] not in ("registered", "failed"):
            return _error(409, "BuildRunning")
        self.starts[path] += 1
        self.operations.append(data["operation"])
        self.polls[path] = 0
        self._builds[data["operation"]] = path
        # In line; what a poll then says is the script's.
        version["status"] = "running"
        return status(202)

    def _ask(self, operation: str) -> Reply:
        path = self._builds.get(operation) or self._removals.get(operation)
        if path is None:
            return _error(404, "OperationNotFound")
        if path in self._versions:
            self._move_on(path)
        if path not in self._versions:
            return answer({"status": "succeeded"})
        known = ("status", "fraction", "code")
        version = self._versions[path]
        return answer({name: version[name] for name in known if name in version})

    def _remove(self, path: str, operation: str) -> Reply:
        if path not in self._versions:
            return _error(404, "VersionNotFound")
        version = self._versions[path]
        if self.refuses and (operation in self._removals or version.get("removing")):
            return _error(409, "RemovalRunning")
        if not _is_over(version["status"]) and version["status"] != "registered":
            # Nobody need look at it for it to go on.
            self._move_on(path)
            return _error(409, "BuildRunning")
        self.removals[path] += 1
        self.polls[path] = 0
        self._removals[operation] = path
        # Its build is history.
        self._builds = {o: p for o, p in self._builds.items() if p != path}
        version |= {"status": "deleting", "fraction": 0.0, "removing": True}
        version.pop("code", None)
        return status(202)

    def _move_on(self, path: str) -> None:
        version = self._versions[path]
        removing = version.get("removing", False)
        if _is_over(version["status"]) or version["status"] == "registered":
            return
        script = self.removal if removing else self.script
        turn = min(self.polls[path], len(script) - 1)
        self.polls[path] += 1
        version["status"] = script[turn]
        version["fraction"] = round((turn + 1) / len(script), 6)
        if script[turn] == "failed":
            version["code"] = self.code
            version.pop("removing", None)
        elif removing and self.polls[path] > len(script):
            del self._versions[path]


def _is_over(word: str) -> bool:
    return word in ("succeeded", "failed")


def _error(code: int, name: str) -> Reply:
    return answer({"error": {"code": name, "message": name}}, code)
