"""The provider: right about every text it answers, and failing a third of the time.

SIGUSR1 makes it well. It notes every text that it was asked about, and what it did.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from django_contentsafety.testing.fault_server import (
    FaultServer,
    Reply,
    Request,
    answer,
    body,
    hang_up,
    reset,
    status,
    truncated,
)

from .run import folder
from .texts import REMOTE, id_of, severity

#: Seconds a right answer takes: a service is further away than loopback, and a worker
#: that is killed while it waits for one holds a lease.
LATENCY = 0.03
#: The note from which on it is well.
WELL = "- - well"
#: Seconds from the start of one outage of "unwell" to the next, and of each.
OUTAGE_EVERY, OUTAGE = 90.0, 15.0


def _http_date() -> Reply:
    now = datetime.now(UTC)
    return status(
        429,
        date=format_datetime(now, usegmt=True),
        retry_after=format_datetime(now + timedelta(seconds=1), usegmt=True),
    )


def _words() -> Reply:
    message = "Rate limit is exceeded. Try again in 1 seconds."
    return answer({"error": {"code": "TooManyRequests", "message": message}}, 429)


#: The ways a throttling answer says how long to wait; not to say it means 10 s.
THROTTLES: list[Callable[[], Reply]] = [
    lambda: status(429, retry_after="1"),
    lambda: status(429, retry_after_ms="700"),
    lambda: status(429, x_ms_retry_after_ms="1100"),
    _http_date,
    _words,
]


def _half(scores: object) -> Reply:
    return truncated(scores, 20)


def _wrong(scores: object) -> Reply:
    return answer({"scores": [{"category": "Hate", "severity": "unknown"}]})


def _refusal(scores: object) -> Reply:
    return answer({"error": {"code": "InvalidRequestBody", "message": "No."}}, 400)


FAULTS: dict[str, Callable[[object], Reply]] = {
    "500": lambda scores: status(500),
    "502 HTML": lambda scores: body(b"<h1>Bad gateway</h1>", "text/html", 502),
    "503": lambda scores: status(503, retry_after="1"),
    "504": lambda scores: status(504),
    "reset": lambda scores: reset(),
    "hang-up": lambda scores: hang_up(),
    "truncated JSON": _half,
    "HTML": lambda scores: body(b"<h1>Welcome</h1>", "text/html"),
    "wrong schema": _wrong,
    "slow": lambda scores: replace(answer(scores), delay=1.0),
    "400": _refusal,
}

#: Of a hundred answers; the rest is right. 32 faults each.
MIX = {
    # A 429 here pauses the whole fleet, so it is rare.
    "remote": {
        **{"500": 7, "502 HTML": 2, "503": 4.5, "504": 1, "reset": 5, "hang-up": 3},
        **{"truncated JSON": 4, "HTML": 1, "wrong schema": 1.5, "slow": 1.5},
        **{"429": 1, "400": 0.5},
    },
    "second": {
        **{"500": 4, "502 HTML": 1, "503": 5, "504": 1, "reset": 4, "hang-up": 2.5},
        **{"truncated JSON": 3, "HTML": 1, "wrong schema": 1.5, "slow": 1.5},
        **{"429": 7, "429 bare": 0.2, "400": 0.3},
    },
}
MIX["naive"] = MIX["second"]


class Script:
    """Decides, notes and replies; one for all connections."""

    def __init__(self, seed: int) -> None:
        self.well = False
        self._rng = random.Random(f"{seed}/provider")  # noqa: S311
        self._lock = threading.Lock()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._log = os.open(folder() / "asked.log", flags, 0o600)
        self._first_asked: float | None = None

    def __call__(self, request: Request) -> Reply:
        alias = request.path.split("/")[1]
        text = request.data["text"]
        found = severity(text, REMOTE)
        score = {"severity": found, "score": found / 7, "detected": found > 0}
        names = request.data["categories"]
        scores = {"scores": [{"category": name, **score} for name in names]}
        with self._lock:
            fault = self._fault(alias)
            self.note(f"{alias} {id_of(text)} {fault or 'ok'}")
            if fault.startswith("429"):
                bare = fault == "429 bare"
                return status(429) if bare else self._rng.choice(THROTTLES)()
        if fault:
            return FAULTS[fault](scores)
        return replace(answer(scores), delay=LATENCY)

    def note(self, line: str) -> None:
        os.write(self._log, f"{line}\n".encode())

    def _fault(self, alias: str) -> str:
        if self.well:
            return ""
        if alias == "unwell":
            # Right, but for its outages.
            now = time.monotonic()
            self._first_asked = self._first_asked or now
            down = (now - self._first_asked) % OUTAGE_EVERY < OUTAGE
            return "500" if down else ""
        mix = MIX[alias]
        kinds, weights = [*mix, ""], [*mix.values(), 100 - sum(mix.values())]
        return self._rng.choices(kinds, weights)[0]


def main() -> None:
    run = json.loads((folder() / "seed.json").read_text())
    script = Script(run["seed"])

    def recover(*args: object) -> None:
        script.well = True
        script.note(WELL)

    signal.signal(signal.SIGUSR1, recover)
    with FaultServer(script) as server:
        fresh = folder() / "provider.new"
        fresh.write_text(server.url)
        fresh.replace(folder() / "provider.url")
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
