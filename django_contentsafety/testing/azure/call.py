"""One request, read: who serves it, and what it asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from re import Pattern, compile as compile_pattern
from typing import TYPE_CHECKING, Any

from ..fault_server import Reply, Request
from . import limits
from .wire import Refused, invalid, only, refused

if TYPE_CHECKING:
    from .service import AzureService
    from .state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request on its way to the function that answers it."""

    service: AzureService
    request: Request
    #: Without the query.
    path: str
    query: Mapping[str, str]
    #: The parts of the path that the route names.
    parts: Mapping[str, str]

    @property
    def state(self) -> State:
        """What the service knows."""
        return self.service.state

    @property
    def version(self) -> str:
        """The API version."""
        return self.query.get("api-version", "")

    @property
    def origin(self) -> str:
        """Before the paths of the links that it gives."""
        host = self.request.headers.get("host", "127.0.0.1")
        return self.service.origin or f"http://{host}"

    @property
    def data(self) -> Any:
        """The body as JSON."""
        try:
            return json.loads(self.request.body)
        except ValueError:
            pass
        raise invalid("Deserialize failed: the body must be JSON.")

    def batch(self, name: str) -> list[Any]:
        """All that the body has: as many things as one request may carry."""
        sent = only(self.data, name).get(name)
        if not isinstance(sent, list) or not 1 <= len(sent) <= limits.MAX_BATCH:
            raise invalid(f"{name} must be a list of 1 to {limits.MAX_BATCH}.")
        return sent

    def number(self) -> int | None:
        """The query's ``version``; None = it has none."""
        value = self.query.get("version")
        if value is None:
            return None
        if not value.isdecimal():
            raise invalid("version must be a whole number.")
        return int(value)

    def assumed(self, case: str, message: str) -> Refused:
        """The error of a case that no document describes."""
        code, name = self.service.assumed[case]
        return refused(code, name, message)


@dataclass(frozen=True, slots=True)
class Route:
    """What a path is answered by."""

    #: As faults and counters name it.
    step: str
    method: str
    pattern: Pattern[str]
    versions: tuple[str, ...]
    answer: Callable[[Call], Reply]


def route(
    step: str,
    method: str,
    path: str,
    versions: tuple[str, ...],
    answer: Callable[[Call], Reply],
) -> Route:
    """``{name}`` in ``path`` stands for a part without slashes and colons."""
    pattern = path.replace("{", "(?P<").replace("}", ">[^/:]+)")
    return Route(step, method, compile_pattern(pattern), versions, answer)
