"""How many requests the service takes, by its tier."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import ceil

from ..fault_server import Reply
from .limits import RATES
from .wire import gateway

#: Whose requests are counted apart from those of the analysis; the others are "text".
FEATURES = {
    "detect": "categories",
    "register": "categories",
    "build": "categories",
    "look": "categories",
    "list": "categories",
    "remove": "categories",
    "operation": "categories",
    "moderate": "moderator",
}


class Rates:
    """Counts the last seconds' requests of each feature; no tier = any number."""

    def __init__(self, tier: str, clock: Callable[[], float]) -> None:
        self._rates = RATES[tier] if tier else {}
        self._tier, self._clock = tier, clock
        self._seen: dict[str, deque[float]] = {}

    def refuse(self, step: str) -> Reply | None:
        """The gateway's answer where this request is one too many."""
        feature = FEATURES.get(step, "text")
        if feature not in self._rates:
            return None
        count, seconds = self._rates[feature]
        seen, now = self._seen.setdefault(feature, deque()), self._clock()
        while seen and seen[0] <= now - seconds:
            seen.popleft()
        if len(seen) < count:
            seen.append(now)
            return None
        wait = ceil(seen[0] + seconds - now)
        return gateway(
            429,
            f"Requests to the {step} Operation have exceeded rate limit of your "
            f"current {self._tier} pricing tier. Please retry after {wait} seconds.",
            retry_after=str(wait),
        )
