"""The scripted Azure behind a fault server, and who asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from django_contentsafety.http import close_sessions
from django_contentsafety.testing.azure import AzureService
from django_contentsafety.testing.fault_server import FaultServer
from tests import servers

from .azurite import Azurite, fetch, running
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


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Blob storage; with the marker of the same name. TEST_AZURITE_URL names one."""
    if servers.url("azurite") != servers.SERVERS["azurite"].default:
        yield Azurite(servers.url("azurite").rstrip("/"))
        return
    try:
        fetch()
    except Exception as error:
        if servers.demanded("azurite"):
            raise
        pytest.skip(f"npm can't bring Azurite ({type(error).__name__})")
    with running() as azurite:
        yield azurite
