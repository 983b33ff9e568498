"""A site beside a service that keeps versions, on SQLite unless a test says where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_contentsafety.testing.service import Service
from tests.building import SiteTables
from tests.keeping import judge, serving


@pytest.fixture
def using() -> str:
    return "default"


@pytest.fixture
def service() -> Service:
    return Service(judge)


@pytest.fixture(autouse=True)
def site(using: str, settings: Any, service: Service) -> Iterator[None]:
    settings.DATABASE_ROUTERS = [SiteTables(using)]
    with serving(settings, service):
        yield
