"""The other side of ``RemoteProvider``: a service in memory, for the fault server.

>>> with FaultServer(Service()) as server:
...     provider = RemoteProvider("remote", endpoint=server.url, key="k")
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from .fault_server import Reply, Request, answer, status

#: From a text to a severity, 0 to 7, the same for every category.
Judge = Callable[[str], int]


class Service:
    """Plays the protocol as it should be, one instance a test.

    ``judge`` gives the severities; a build takes ``polls`` polls; ``builds`` lists the
    operations that were started, so that one started twice can be seen.
    """

    def __init__(self, judge: Judge = lambda text: 0, *, polls: int = 1) -> None:
        self.judge, self.polls = judge, polls
        self.builds: list[str] = []
        self._versions: dict[str, dict[str, Any]] = {}
        self._operations: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """The reply to ``request``."""
        with self._lock:
            if request.path == "/analyze":
                return self._analyze(request)
            if request.path.startswith("/categories/"):
                return self._version(request)
            if request.path == "/builds":
                return self._build(request)
            return self._operation(request)

    def _analyze(self, request: Request) -> Reply:
        severity = self.judge(request.data["text"])
        return answer(
            {
                "scores": [
                    {
                        "category": one if isinstance(one, str) else one["name"],
                        "score": severity / 7,
                        "severity": severity,
                        "detected": severity > 0,
                    }
                    for one in request.data["categories"]
                ]
            }
        )

    def _version(self, request: Request) -> Reply:
        if request.method == "PUT":
            if request.path in self._versions:
                return _error(409, "VersionExists")
            samples = request.data["samples"].encode()
            self._versions[request.path] = {
                "version": str(len(self._versions) + 1),
                "sha256": sha256(samples).hexdigest(),
            }
        if request.path not in self._versions:
            return _error(404, "VersionNotFound")
        return answer(self._versions[request.path])

    def _build(self, request: Request) -> Reply:
        operation = request.data["operation"]
        if operation in self._operations:
            return _error(409, "OperationExists")
        self.builds.append(operation)
        self._operations[operation] = 0
        return status(202)

    def _operation(self, request: Request) -> Reply:
        operation = request.path.rpartition("/")[2]
        if operation not in self._operations:
            return _error(404, "OperationNotFound")
        self._operations[operation] += 1
        # The first look is the one before the build is submitted.
        done = min(self._operations[operation] / self.polls, 1.0)
        return answer(
            {"status": "succeeded" if done == 1 else "running", "fraction": done}
        )


def _error(code: int, name: str) -> Reply:
    return answer({"error": {"code": name, "message": name}}, code)
