"""A provider that is counted like a remote one, and answers as told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django_contentsafety.providers import Limit
from django_contentsafety.providers.base import Asked
from django_contentsafety.providers.dummy import DummyProvider


class CountedProvider(DummyProvider):
    """A request a text; ``rate`` a second (None: any) and ``burst`` at once."""

    in_process = False

    def __init__(
        self, alias: str, *, rate: float | None = 0.001, burst: int = 10
    ) -> None:
        super().__init__(alias)
        self.rate, self.burst = rate, burst

    @property
    def credential(self) -> str:
        return "k"

    @property
    def limits(self) -> Mapping[str, Limit]:
        if self.rate is None:
            return {}
        return {"text": Limit(rate=self.rate, burst=self.burst)}

    def cost(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> Mapping[str, int]:
        return {"text": len(texts)}


class SingleProvider(CountedProvider):
    """One text a request, as most services have it."""

    batch_size = 1


def counted(settings: Any, *, single: bool = False, **options: Any) -> None:
    """Put one in the place of the default provider."""
    name = "SingleProvider" if single else "CountedProvider"
    settings.CONTENTSAFETY_PROVIDERS = {
        "default": {"BACKEND": f"tests.remotes.{name}", "OPTIONS": options}
    }
