"""Samples in blob storage: written once, refused early, and nothing given away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest

from django_contentsafety.exceptions import (
    AuthenticationFailed,
    BuildFailed,
    Conflict,
    InvalidProvider,
    Misconfigured,
    NetworkError,
    NotFound,
    ProviderError,
    RateLimited,
    ServerError,
)
from django_contentsafety.http import Timeouts, close_sessions, within
from django_contentsafety.providers.azure.blob import STORAGE_SCOPE, SampleBlobs
from django_contentsafety.providers.azure.container import MAX_URL_LENGTH
from django_contentsafety.testing.fault_server import (
    FaultServer,
    Reply,
    black_hole,
    redirect,
    reset,
    status,
)
from django_contentsafety.testing.trainer import Fault
from tests.http.test_secrets import hits, logged, shown_by
from tests.http.test_sessions import context, tls

from .azurite import Azurite
from .blobs import (
    ACCOUNT,
    ACCOUNT_KEY,
    CONTAINER,
    SAMPLES,
    SAS,
    Blobs,
    build_request,
    connection_string,
    refused,
    removal_request,
)

__all__ = ["logged", "tls"]

HASH = sha256(SAMPLES).hexdigest()
GOOD = "https://acct.blob.core.windows.net/samples"
PATIENT = Timeouts(connect=5, read=20, total=30)


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


@pytest.fixture
def server(blobs: Blobs) -> Iterator[FaultServer]:
    with FaultServer(blobs) as server:
        yield server
        close_sessions()


@pytest.fixture(params=["connection string", "sas"])
def held(request: Any, server: FaultServer) -> SampleBlobs:
    """What holds the samples, opened in either way."""
    if request.param == "sas":
        url = f"{server.url}/{ACCOUNT}/{CONTAINER}"
        return SampleBlobs("azure", container=url, sas=SAS, timeouts=PATIENT)
    return SampleBlobs(
        "azure",
        container=CONTAINER,
        connection_string=connection_string(server.url),
        timeouts=PATIENT,
    )


# --- What is refused before anything is asked --------------------------------------

CONTAINERS: dict[str, tuple[str, str]] = {
    "nested": (f"{GOOD}/folder", "path within it"),
    "a query": (f"{GOOD}?sv=1&sig=CANARY", "has a query"),
    "a fragment": (f"{GOOD}#CANARY", "has a query"),
    "in clear": ("http://acct.blob.core.windows.net/samples", "https://"),
    "no container": ("https://acct.blob.core.windows.net/", "needs a name"),
    "upper case": ("https://acct.blob.core.windows.net/Samples", "needs a name"),
    "too short": ("https://acct.blob.core.windows.net/ab", "needs a name"),
    "a user": ("https://CANARY:pw@acct.blob.core.windows.net/samples", "user"),
    "no URL": ("samples CANARY", "no URL of plain characters"),
    "too long": (f"https://{'a' * 400}.blob.core.windows.net/samples", "500"),
    "nothing": ("", "no container"),
}


@pytest.mark.parametrize("case", CONTAINERS)
def test_a_container_the_service_could_not_read_is_refused(case: str) -> None:
    container, words = CONTAINERS[case]
    with pytest.raises(InvalidProvider, match=words) as caught:
        SampleBlobs("azure", container=container, sas=SAS)
    assert "'azure'" in str(caught.value)
    assert hits(shown_by(caught.value)) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "one of"),
        ({"sas": SAS, "credential": "default"}, "one of"),
        ({"sas": SAS, "connection_string": "x"}, "one of"),
        ({"sas": "CANARY"}, "behind the question mark"),
        ({"sas": f"{GOOD}?{SAS}"}, "behind the question mark"),
        ({"sas": f"{SAS} "}, "no white space"),
        ({"credential": "CANARY"}, "credential must be one of"),
        ({"connection_string": "AccountName=CANARY"}, "cut off"),
        ({"connection_string": "AccountName=CANARY;AccountKey=%"}, "cut off"),
        ({"connection_string": f"AccountKey={ACCOUNT_KEY}"}, "cut off"),
        ({"connection_string": connection_string("http://127.0.0.1")}, "is a name"),
        ({"connection_string": f"BlobEndpoint={GOOD};SharedAccessSignature=x"}, "name"),
    ],
)
def test_what_opens_it_is_checked_and_not_repeated(options: Any, words: str) -> None:
    with pytest.raises(InvalidProvider, match=words) as caught:
        SampleBlobs("azure", container=GOOD, **options)
    assert hits(shown_by(caught.value)) == []


@pytest.mark.parametrize(
    ("string", "url"),
    [
        (f"AccountName=acct;AccountKey={ACCOUNT_KEY}", GOOD),
        (
            f"accountname=acct;accountkey={ACCOUNT_KEY};"
            "EndpointSuffix=core.usgovcloudapi.net",
            "https://acct.blob.core.usgovcloudapi.net/samples",
        ),
        (
            f"BlobEndpoint=https://acct.blob.core.windows.net/;"
            f"SharedAccessSignature={SAS}",
            GOOD,
        ),
    ],
)
def test_a_connection_string_says_where(string: str, url: str) -> None:
    held = SampleBlobs("azure", container=CONTAINER, connection_string=string)
    assert held.url == url
    assert hits([repr(held), repr(vars(held))]) == []


def test_the_url_holds_the_versions_identity_and_nothing_of_ours() -> None:
    held = SampleBlobs("azure", container=f"{GOOD}/", sas=f"?{SAS}")
    assert held.url_of(build_request(3)) == f"{GOOD}/scam-v3-{HASH[:16]}.jsonl"
    others = [
        build_request(3, name="spam"),
        build_request(4),
        build_request(3, samples=b"{}"),
    ]
    assert len({held.url_of(one) for one in [build_request(3), *others]}) == 4
    longest = held.url_of(build_request(2**31 - 1, name="n" * 64))
    assert len(longest) <= MAX_URL_LENGTH


@pytest.mark.parametrize(
    ("blob", "is_anothers"),
    [
        (f"scam-v1-{HASH[:16]}.jsonl", False),
        ("scam-v2-0000000000000000.jsonl", True),
        ("spam-v1-0000000000000000.jsonl", True),
        # Somebody's own file: a version that was taken over.
        ("survival-advice.jsonl", False),
    ],
)
def test_whose_samples_a_url_is_of(blob: str, is_anothers: bool) -> None:
    held = SampleBlobs("azure", container=GOOD, sas=SAS)
    assert held.is_anothers(f"{GOOD}/{blob}", removal_request(HASH)) == is_anothers


# --- Written and deleted -----------------------------------------------------------


def test_written_once_however_often(held: SampleBlobs, blobs: Blobs) -> None:
    url = held.upload(build_request())
    assert held.upload(build_request()) == url == held.url_of(build_request())
    assert list(blobs.held.values()) == [SAMPLES]
    assert list(blobs.created.values()) == [1]
    held.delete(removal_request(HASH))
    held.delete(removal_request(HASH))
    assert not blobs.held


def test_another_content_is_never_overwritten(held: SampleBlobs, blobs: Blobs) -> None:
    held.upload(build_request())
    (path,) = blobs.held
    blobs.held[path] = b"CANARY of somebody else"
    with pytest.raises(BuildFailed, match="holds other samples") as caught:
        held.upload(build_request())
    assert hits(shown_by(caught.value)) == []
    assert blobs.held[path] == b"CANARY of somebody else"


def test_samples_that_were_never_ours_are_left_alone(
    held: SampleBlobs, server: FaultServer
) -> None:
    held.delete(removal_request(""))
    assert server.requests == []


FAULTS: dict[str, tuple[Reply, type[ProviderError], str]] = {
    "a wrong key": (
        refused(403, "AuthenticationFailed"),
        AuthenticationFailed,
        "HTTP 403 .AuthenticationFailed.",
    ),
    "no role": (
        refused(403, "AuthorizationPermissionMismatch"),
        AuthenticationFailed,
        "AuthorizationPermissionMismatch",
    ),
    "no container": (refused(404, "ContainerNotFound"), NotFound, "ContainerNotFound"),
    "busy": (refused(409, "BlobBeingRehydrated"), Conflict, "409"),
    "throttled": (status(429, retry_after="7"), RateLimited, "quota"),
    "unwell": (refused(500, "InternalError"), ServerError, "InternalError"),
    "overloaded": (refused(503, "ServerBusy"), ServerError, "ServerBusy"),
    "a redirect": (redirect("http://127.0.0.1:9/", 307), Misconfigured, "not followed"),
    "a reset": (reset(), NetworkError, "broke off"),
    "what echoes": (refused(400, "sig"), ProviderError, "HTTP 400"),
    "no HTTP": (Reply(raw=b"hello\r\n\r\n", then="close"), ProviderError, "not HTTP"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_each_fault_is_one_of_the_family_and_tells_nothing(
    held: SampleBlobs,
    blobs: Blobs,
    server: FaultServer,
    logged: list[str],
    case: str,
) -> None:
    reply, kind, words = FAULTS[case]
    blobs.fail("upload", Fault(reply))
    with pytest.raises(kind, match=words) as caught:
        held.upload(build_request())
    error = caught.value
    assert str(error).startswith("The blob storage of provider 'azure' ")
    assert error.__cause__ is error.__context__ is None
    assert hits(shown_by(error)) == []
    assert hits(logged) == []
    # Nothing is tried again by itself; after a conflict it is looked at.
    assert len(server.requests) == 1 + (kind is Conflict)


def test_what_a_good_write_logs_is_harmless(
    held: SampleBlobs, logged: list[str], server: FaultServer
) -> None:
    held.upload(build_request())
    held.delete(removal_request(HASH))
    assert any("PUT" in line for line in logged)
    assert hits(logged) == []
    # The control: it was sent.
    sent = server.requests[0]
    assert "CANARY" in sent.path or "SharedKey" in sent.headers["authorization"]


@pytest.mark.parametrize("reply", [black_hole(), status(201)])
def test_all_of_it_takes_only_so_long(
    blobs: Blobs, server: FaultServer, reply: Reply
) -> None:
    """Also where each byte comes in time: the SDK's own timeouts are for each read."""
    slow = Reply(status=201, drip=0.05, drips="all") if reply.status == 201 else reply
    held = SampleBlobs(
        "azure",
        container=CONTAINER,
        connection_string=connection_string(server.url),
        timeouts=Timeouts(connect=0.5, read=0.4, total=0.5),
    )
    blobs.fail("upload", Fault(slow))
    began = time.monotonic()
    with pytest.raises(NetworkError):
        held.upload(build_request())
    assert time.monotonic() - began < 5


def test_the_callers_own_deadline_holds_too(held: SampleBlobs, blobs: Blobs) -> None:
    with within(0), pytest.raises(ProviderError, match="no time left"):
        held.upload(build_request())
    assert not blobs.created


def test_by_entra_token(monkeypatch: Any, blobs: Blobs, tls: str) -> None:
    """Only over TLS: the SDK sends no token in clear."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", tls)
    scopes = []

    def get_token(*asked: str, **options: Any) -> Any:
        scopes.append(asked)
        return SimpleNamespace(token="CANARY-token", expires_on=time.time() + 3600)

    with FaultServer(blobs, context=context(tls)) as server:
        held = SampleBlobs(
            "azure",
            container=f"https://127.0.0.1:{server.port}/{CONTAINER}",
            credential=SimpleNamespace(get_token=get_token),
            timeouts=PATIENT,
        )
        held.upload(build_request())
        (sent,) = server.requests
        close_sessions()
    assert sent.headers["authorization"] == "Bearer CANARY-token"
    assert scopes == [(STORAGE_SCOPE,)]


def test_an_identity_without_a_token_is_told_what_it_needs(tls: str) -> None:
    def get_token(*asked: str, **options: Any) -> Any:
        raise RuntimeError("tenant CANARY")

    held = SampleBlobs(
        "azure", container=GOOD, credential=SimpleNamespace(get_token=get_token)
    )
    with pytest.raises(AuthenticationFailed, match="Blob Data Contributor") as caught:
        held.upload(build_request())
    assert hits(shown_by(caught.value)) == []


# --- A real one ---------------------------------------------------------------------


@pytest.fixture(params=["connection string", "sas"])
def real(request: Any, azurite: Azurite) -> SampleBlobs:
    """In Azurite, a container of its own."""
    name = f"samples-{request.param[:3]}"
    url = azurite.container(name)
    if request.param == "sas":
        return SampleBlobs("azure", container=url, sas=azurite.sas(name, "rwcd"))
    return SampleBlobs(
        "azure", container=name, connection_string=azurite.connection_string
    )


@pytest.mark.azurite
def test_azurite_holds_what_was_frozen(real: SampleBlobs, azurite: Azurite) -> None:
    url = real.upload(build_request())
    assert real.upload(build_request()) == url
    assert azurite.read(url) == SAMPLES
    azurite.put(url, b"{}")
    with pytest.raises(BuildFailed, match="holds other samples"):
        real.upload(build_request())
    real.delete(removal_request(HASH))
    real.delete(removal_request(HASH))
    with pytest.raises(FileNotFoundError):
        azurite.read(url)


@pytest.mark.azurite
def test_azurite_refuses_another_key(azurite: Azurite) -> None:
    azurite.container("samples-key")
    string = azurite.connection_string
    key = string.split("AccountKey=")[1].split(";")[0]
    wrong = SampleBlobs(
        "azure",
        container="samples-key",
        connection_string=string.replace(key, ACCOUNT_KEY),
    )
    with pytest.raises(AuthenticationFailed) as caught:
        wrong.upload(build_request())
    assert hits(shown_by(caught.value)) == []
    missing = SampleBlobs("azure", container="no-such", connection_string=string)
    with pytest.raises(NotFound, match="ContainerNotFound"):
        missing.upload(build_request())
