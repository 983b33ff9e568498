"""Entra tokens: fetched before a request, kept while they are good, never shown."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from django_contentsafety.exceptions import (
    AuthenticationFailed,
    InvalidProvider,
    NetworkError,
    ProviderError,
    RateLimited,
    ServerError,
)
from django_contentsafety.http import close_sessions
from django_contentsafety.providers.azure.auth import (
    CLOUDS,
    CREDENTIALS,
    checked_credential,
    cloud_of,
    make_credential,
)
from django_contentsafety.testing.azure import AzureService
from django_contentsafety.testing.fault_server import FaultServer

from .asking import KEY, moderator, safety


@dataclass
class Given:
    token: Any
    expires_on: Any


class Fake:
    """As azure-identity's credentials are: an object with get_token."""

    def __init__(self, *outcomes: Any, seconds: float = 3_600) -> None:
        self.outcomes, self.seconds = list(outcomes), seconds
        self.scopes: list[str] = []

    def get_token(self, *scopes: str) -> Given:
        self.scopes += scopes
        outcome = self.outcomes[0]
        if len(self.outcomes) > 1:
            self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return Given(outcome, time.time() + self.seconds)


@pytest.fixture
def azure() -> AzureService:
    return AzureService(key="", token="t0ken")


@pytest.fixture
def server(azure: AzureService) -> Iterator[FaultServer]:
    with FaultServer(azure) as server:
        yield server
        close_sessions()


def test_a_token_travels_and_no_key(server: FaultServer) -> None:
    fake = Fake("t0ken")
    provider = safety(server.url, credential=fake)
    assert fake.scopes == []
    provider.analyze(["x", "y"], ["Hate"])
    assert fake.scopes == ["https://cognitiveservices.azure.com/.default"]
    for request in server.requests:
        assert request.headers["authorization"] == "Bearer t0ken"
        assert "ocp-apim-subscription-key" not in request.headers


def test_a_token_near_its_end_is_renewed(server: FaultServer) -> None:
    fake = Fake("t0ken", seconds=299)
    provider = safety(server.url, credential=fake)
    provider.analyze(["x", "y"], ["Hate"])
    assert len(fake.scopes) == 2
    fake.seconds = 310
    provider.analyze(["x", "y"], ["Hate"])
    assert len(fake.scopes) == 3


def test_a_token_that_was_refused_is_not_used_again(server: FaultServer) -> None:
    fake = Fake("revoked", "t0ken")
    provider = safety(server.url, credential=fake)
    with pytest.raises(AuthenticationFailed):
        provider.analyze(["x"], ["Hate"])
    assert len(server.requests) == 1
    provider.analyze(["x"], ["Hate"])
    assert len(fake.scopes) == 2


@pytest.mark.parametrize(
    ("cloud", "scope"),
    [
        ("public", "https://cognitiveservices.azure.com/.default"),
        ("usgov", "https://cognitiveservices.azure.us/.default"),
        ("china", "https://cognitiveservices.azure.cn/.default"),
    ],
)
def test_each_cloud_has_its_scope(server: FaultServer, cloud: str, scope: str) -> None:
    fake = Fake("t0ken")
    safety(server.url, credential=fake, cloud=cloud).analyze(["x"], ["Hate"])
    assert fake.scopes == [scope]


def core() -> Any:
    return pytest.importorskip("azure.core.exceptions")


def by_status(status: int) -> Exception:
    error: Exception = core().HttpResponseError("CANARY")
    error.status_code = status  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: core().ClientAuthenticationError("CANARY"), AuthenticationFailed),
        (lambda: core().ServiceRequestError("CANARY"), NetworkError),
        (lambda: core().ServiceResponseError("CANARY"), NetworkError),
        (lambda: OSError("CANARY"), NetworkError),
        (lambda: by_status(429), RateLimited),
        (lambda: by_status(503), ServerError),
        (lambda: by_status(400), AuthenticationFailed),
        (lambda: ValueError("CANARY"), AuthenticationFailed),
    ],
)
def test_each_failure_is_one_of_the_family(
    server: FaultServer, make: Any, kind: type[ProviderError]
) -> None:
    provider = safety(server.url, credential=Fake(make(), "t0ken"))
    with pytest.raises(ProviderError) as caught:
        provider.analyze(["x"], ["Hate"])
    assert type(caught.value) is kind
    assert caught.value.alias == "azure"
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    # Nothing was sent without a token; the next call may have one.
    assert server.requests == []
    provider.analyze(["x"], ["Hate"])


@pytest.mark.parametrize("token", ["", "two words", "line\n", "é", None])
def test_a_token_no_header_holds_is_not_sent(server: FaultServer, token: Any) -> None:
    given = "" if token is None else token
    with pytest.raises(AuthenticationFailed, match="header") as caught:
        safety(server.url, credential=Fake(given)).analyze(["x"], ["Hate"])
    assert not token or token not in str(caught.value)
    assert server.requests == []


def test_an_end_that_is_none_is_a_failure(server: FaultServer) -> None:
    class Odd(Fake):
        def get_token(self, *scopes: str) -> Given:
            return Given("t0ken", "soon")

    with pytest.raises(AuthenticationFailed):
        safety(server.url, credential=Odd()).analyze(["x"], ["Hate"])


def test_never_a_key_beside_a_credential() -> None:
    for both in ({"key": KEY}, {"second_key": KEY}):
        with pytest.raises(InvalidProvider, match="both a key and a credential"):
            safety("https://host.example", credential=Fake("x"), **both)
    with pytest.raises(InvalidProvider, match="neither"):
        safety("https://host.example", key=None)


@pytest.mark.parametrize("credential", ["managed", "", 7, object(), ["default"]])
def test_a_credential_that_is_none_is_refused(credential: Any) -> None:
    with pytest.raises(InvalidProvider, match="credential must be one of"):
        checked_credential("azure", credential)


def test_the_content_moderator_takes_them_too(server: FaultServer) -> None:
    provider = moderator(server.url, credential=Fake("t0ken"))
    provider.analyze(["x"], ["Hate"])
    assert server.requests[0].headers["authorization"] == "Bearer t0ken"


# azure-identity's own.


@pytest.mark.parametrize("name", [n for n in CREDENTIALS if n != "workload_identity"])
def test_the_named_ones_are_made_without_a_connection(name: str) -> None:
    pytest.importorskip("azure.identity")
    made = make_credential("azure", name, cloud_of("azure", "usgov"))
    assert type(made).__name__ == CREDENTIALS[name]


def test_the_authority_is_the_clouds_own(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("azure.identity")
    for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"AZURE_{name}", "00000000-0000-0000-0000-000000000000")
    for cloud in CLOUDS.values():
        made = make_credential("azure", "environment", cloud)
        assert made._credential._authority == f"https://{cloud.authority}"


def test_what_cannot_be_made_says_why(server: FaultServer) -> None:
    path = "django_contentsafety.no_such.thing"
    with pytest.raises(AuthenticationFailed, match="can't be imported"):
        safety(server.url, credential=path).analyze(["x"], ["Hate"])
    path = f"{__name__}.refuse"
    with pytest.raises(AuthenticationFailed, match=r"can't be made \(ValueError"):
        safety(server.url, credential=path).analyze(["x"], ["Hate"])
    path = f"{__name__}.give"
    safety(server.url, credential=path).analyze(["x"], ["Hate"])


def refuse() -> object:
    raise ValueError("CANARY")


def give() -> Fake:
    return Fake("t0ken")


def test_a_key_needs_no_azure_package() -> None:
    """The providers are made, and ask, where azure-identity isn't installed."""
    code = (
        "import sys\n"
        "sys.modules['azure'] = None\n"
        "from django.conf import settings\n"
        "settings.configure()\n"
        "from django_contentsafety.providers.azure_content_safety import *\n"
        "p = AzureContentSafety('a', endpoint='https://host', key='k')\n"
        "assert p.check() == [], p.check()\n"
        "p = AzureContentSafety('a', endpoint='https://host', credential='default')\n"
        "(error,) = p.check()\n"
        "assert error.id == 'contentsafety.E013', error\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
