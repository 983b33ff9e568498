"""Azure AI Content Safety and Content Moderator v2, in memory, for the fault server."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from ..fault_server import Reply, Request
from ..trainer import Chance, Fault
from . import analyzing, blocklists, categories, incidents, limits, moderator, wire
from .assumed import ASSUMED
from .call import Call, Route
from .rates import Rates
from .samples import ReadBlob, any_samples
from .scoring import Words
from .state import State

PREFIX = "/contentsafety"
CONTENT_SAFETY = [
    *analyzing.ROUTES,
    *categories.ROUTES,
    *incidents.ROUTES,
    *blocklists.ROUTES,
]
#: What a request can be about, as ``fail`` and the counters name it.
STEPS = tuple(dict.fromkeys(r.step for r in (*CONTENT_SAFETY, *moderator.ROUTES)))


class AzureService:
    """The two services as they are documented, one instance a test.

    >>> azure = AzureService(words={"kill": {"Violence": 6}}, script=["running"] * 9)
    >>> azure.fail("build", Fault(reset(), acts=True))
    >>> with FaultServer(azure) as server:
    ...     ask(server.url)

    What they know is in ``state``, with counters of what was really begun: give it to
    another instance, and the service was only restarted. What no document says is in
    ``assumed.py``, and can be given otherwise as ``assumed={case: (status, code)}``.

    Who may ask: ``key`` in Ocp-Apim-Subscription-Key or ``token`` as a bearer, never
    both; else ``denied`` is the status, 401 (or 403, as the preview's page has it).
    ``retired`` API versions are answered as unknown ones are.

    What it finds: ``words`` give severities by category (the name of a custom category
    too: any above 0 is *detected*). A custom category finds its own samples besides.

    How a build goes: ``script`` are the words of the looks at it in turn, the last
    again and again: "running", "succeeded", "failed", written as the dialect does, or
    any other as it is. ``removal`` are those of a deletion in the older dialect, after
    which the version is gone; "failed" ends it. ``error`` is the code and message of
    what fails. ``checks_samples``: the file is looked at when it is registered, not
    when it is built from. ``refuses=False`` does twice what it is asked for twice.

    Where samples come from: ``read_blob(url)``, which raises FileNotFoundError or
    PermissionError; by default any URL has fifty of them. A ``hierarchical`` storage
    account is refused, as are nested paths.

    How much it takes: ``max_categories`` and ``max_versions`` of each; the rates of the
    ``tier`` "F0" or "S0", none by default; ``page_size`` entries a page.
    ``propagation`` seconds of ``clock`` pass until an item of a blocklist counts.
    ``shows_all``: a category's versions are shown all where none is named.
    ``reuses_numbers``: a deleted version's number is given again.
    ``origin`` comes before the paths of its links; by default what the request named.
    ``chance`` may fail any request that ``fail`` plans nothing for.
    """

    def __init__(
        self,
        *,
        state: State | None = None,
        key: str = "k" * 32,
        token: str = "",
        denied: int = 401,
        retired: Collection[str] = (),
        words: Words | None = None,
        script: Sequence[str] = ("succeeded",),
        removal: Sequence[str] = ("deleting",),
        error: tuple[str, str] = ("InternalError", "The build failed."),
        checks_samples: bool = False,
        refuses: bool = True,
        read_blob: ReadBlob = any_samples,
        hierarchical: bool = False,
        max_categories: int = limits.MAX_CATEGORIES,
        max_versions: int = limits.MAX_VERSIONS,
        tier: str = "",
        page_size: int = limits.MAX_BATCH,
        propagation: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        shows_all: bool = False,
        reuses_numbers: bool = False,
        origin: str = "",
        assumed: Mapping[str, tuple[int, str]] | None = None,
        chance: Chance | None = None,
    ) -> None:
        self.state = state or State()
        self.key, self.token, self.denied = key, token, denied
        self.retired = frozenset(retired)
        self.words: Words = words or {}
        self.script, self.removal, self.error = list(script), list(removal), error
        self.checks_samples, self.refuses = checks_samples, refuses
        self.read_blob, self.hierarchical = read_blob, hierarchical
        self.max_categories, self.max_versions = max_categories, max_versions
        self.page_size, self.propagation, self.clock = page_size, propagation, clock
        self.shows_all, self.reuses_numbers = shows_all, reuses_numbers
        self.origin = origin
        self.assumed = {**ASSUMED, **(assumed or {})}
        self._rates = Rates(tier, clock)
        self._chance = chance or (lambda step: None)
        self._faults: dict[str, deque[Fault]] = {step: deque() for step in STEPS}
        self._lock = threading.Lock()

    def fail(self, step: str, *faults: Fault) -> None:
        """Let the next requests of this step go wrong, one a fault."""
        self._faults[step].extend(faults)

    def forget_operations(self) -> None:
        """Know the versions alone, as services do after a while."""
        with self._lock:
            self.state.operations.clear()

    def __call__(self, request: Request) -> Reply:
        """The reply to ``request``."""
        with self._lock:
            path, query = urlsplit(request.path)[2:4]
            named = dict(parse_qsl(query, keep_blank_values=True))
            if not self._knows(request):
                return wire.signed(wire.wrong_key(self.denied))
            found = self._find(request.method, path, named.get("api-version", ""))
            if found is None:
                return wire.signed(wire.no_such_path())
            route, parts = found
            call = Call(
                service=self, request=request, path=path, query=named, parts=parts
            )
            return self._reply(route, call)

    def _reply(self, route: Route, call: Call) -> Reply:
        planned = self._faults[route.step]
        fault = planned.popleft() if planned else self._chance(route.step)
        if fault is None:
            return wire.signed(self._answer(route, call))
        if fault.acts:
            self._answer(route, call)
        return fault.reply

    def _answer(self, route: Route, call: Call) -> Reply:
        if throttled := self._rates.refuse(route.step):
            return throttled
        self.state.calls[route.step] += 1
        try:
            return route.answer(call)
        except wire.Refused as error:
            return error.reply

    def _knows(self, request: Request) -> bool:
        key = request.headers.get("ocp-apim-subscription-key")
        bearer = request.headers.get("authorization")
        if key is not None and bearer is not None:
            return False  # Assumed; no client should send both.
        if key is not None:
            return bool(self.key) and key == self.key
        return bool(self.token) and bearer == f"Bearer {self.token}"

    def _find(
        self, method: str, path: str, version: str
    ) -> tuple[Route, dict[str, str]] | None:
        if version in self.retired:
            return None
        routes, rest = moderator.ROUTES, path
        if path.startswith(f"{PREFIX}/"):
            routes, rest = CONTENT_SAFETY, path.removeprefix(PREFIX)
        for route in routes:
            match = route.pattern.fullmatch(rest)
            if match and route.method == method and version in route.versions:
                return route, match.groupdict()
        return None
