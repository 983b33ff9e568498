"""The scripted Azure behind a fault server, and who asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from django_contentsafety.http import close_sessions
from django_contentsafety.testing.azure import AzureService
from django_contentsafety.testing.fault_server import FaultServer

from .plain import NEWER, OLDER, Plain


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What a test opens, closed after it."""
    with ExitStack() as stack:
        yield stack
        close_sessions()


@pytest.fixture
def serve(stack: ExitStack) -> Any:
    """A service with these options, and a plain client in this API version."""

    def serve(version: str, **options: Any) -> tuple[AzureService, Plain]:
        service = AzureService(**options)
        return service, Plain(stack.enter_context(FaultServer(service)), version)

    return serve


@pytest.fixture(params=[OLDER, NEWER])
def dialect(request: pytest.FixtureRequest) -> str:
    """Once in each dialect of custom categories."""
    return request.param
