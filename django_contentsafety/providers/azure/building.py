"""The building side of a provider whose versions live at Azure."""

from __future__ import annotations

from typing import Protocol

from ...http import within
from ..base import (
    BuildRequest,
    BuildState,
    Progress,
    Provider,
    RemoteVersion,
    RemovalRequest,
    RemovalState,
)

#: Seconds for one step of a build or a deletion: less than its worker's lease (120 s,
#: flows.pacing), so that no other worker begins the same meanwhile. The next goes on.
STEP_SECONDS = 90.0


class Builder(Protocol):
    """One way to build: custom categories, or incidents."""

    def lacks(self, positives: int, negatives: int, size: int) -> list[str]:
        """As ``Provider.lacks``; so are the others."""

    def register(self, request: BuildRequest) -> str: ...

    def submit(self, request: BuildRequest, provider_version: str) -> None: ...

    def poll(self, request: BuildRequest, provider_version: str) -> BuildState: ...

    def remove(self, request: RemovalRequest) -> None: ...

    def removal(self, request: RemovalRequest) -> RemovalState: ...

    def catalog(self) -> list[RemoteVersion]: ...


class BuildingProvider(Provider):
    """Hands all that is about versions to its ``builder``, set by the constructor."""

    can_build = True
    can_list = True
    builder: Builder

    def lacks(self, positives: int, negatives: int, size: int) -> list[str]:
        few = super().lacks(positives, negatives, size)
        return few or self.builder.lacks(positives, negatives, size)

    def register(self, request: BuildRequest) -> str:
        with within(STEP_SECONDS):
            return self.builder.register(request)

    def submit(self, request: BuildRequest, provider_version: str) -> None:
        with within(STEP_SECONDS):
            self.builder.submit(request, provider_version)

    def poll(
        self, request: BuildRequest, provider_version: str, progress: Progress
    ) -> BuildState:
        with within(STEP_SECONDS):
            return self.builder.poll(request, provider_version)

    def remove(self, request: RemovalRequest) -> None:
        with within(STEP_SECONDS):
            self.builder.remove(request)

    def removal(self, request: RemovalRequest) -> RemovalState:
        with within(STEP_SECONDS):
            return self.builder.removal(request)

    def catalog(self) -> list[RemoteVersion]:
        return self.builder.catalog()
