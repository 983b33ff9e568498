"""Connections are kept, and each belongs to one thread of one process."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from django_contentsafety import __version__
from django_contentsafety.exceptions import NetworkError, ServerError
from django_contentsafety.http import close_sessions, sockets
from django_contentsafety.testing.fault_server import (
    FaultServer,
    Reply,
    answer,
    status,
)
from django_contentsafety.testing.remote import RemoteProvider

from .conftest import ASKED, FINE, KEY, TOTAL, remote

ROOT = Path(__file__).parents[2]


def length(reply: Reply) -> dict[str, str]:
    return {"Content-Length": str(len(reply.body))}


def test_a_connection_is_used_again(
    server: FaultServer, provider: RemoteProvider
) -> None:
    provider.analyze(["a", "b", "c"], ASKED)
    # Another instance of the same provider, as each request of an ASGI site has.
    remote(server.url).analyze(["d"], ASKED)
    assert (len(server.requests), server.connections) == (4, 1)


def test_an_error_that_was_read_to_its_end_costs_no_connection(
    server: FaultServer,
) -> None:
    server.play(status(500, {"error": {"code": "X"}}), answer(FINE))
    provider = remote(server.url)
    with pytest.raises(ServerError):
        provider.analyze(["x"], ASKED)
    provider.analyze(["x"], ASKED)
    assert server.connections == 1


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_an_answer_nobody_asked_for_is_nobodys(server: FaultServer, late: bool) -> None:
    fine, bad = answer(FINE), json.dumps(FINE).replace(': 0, "d', ': 7, "d').encode()
    http = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    extra = http + b"Content-Length: %d\r\n\r\n" % len(bad) + bad
    asked, sent = threading.Event(), threading.Event()

    def more() -> Iterator[bytes]:
        if late:
            asked.wait(5)
        yield extra
        sent.set()

    server.play(
        replace(fine, headers={**fine.headers, **length(fine)}, more=more), fine
    )
    provider = remote(server.url)
    (first,) = provider.analyze(["x"], ASKED)
    asked.set()
    assert sent.wait(5)
    verdicts = [first, *provider.analyze(["y", "z"], ASKED)]
    assert {score.severity for one in verdicts for score in one.scores} == {0}
    # What lies there before we ask makes us leave the connection.
    assert not late or server.connections == 2


def test_a_thread_has_its_own(server: FaultServer, provider: RemoteProvider) -> None:
    threads, together = 8, threading.Barrier(8)

    def ask() -> int:
        together.wait(10)
        verdicts = provider.analyze(["x"] * 5, ASKED)
        close_sessions()
        return len(verdicts)

    with ThreadPoolExecutor(threads) as pool:
        done = [pool.submit(ask) for _ in range(threads)]
        assert [one.result(20) for one in done] == [5] * threads
    assert (len(server.requests), server.connections) == (40, threads)


FORK = """
import os, sys
from django.conf import settings
settings.configure(INSTALLED_APPS=[])
from django_contentsafety.testing.remote import RemoteProvider
provider = RemoteProvider("r", endpoint=sys.argv[1], key="k")
ask = lambda who: provider.analyze([who], ["Hate", "Violence"])
ask("parent before")
child = os.fork()
if not child:
    ask("child")
    ask("child again")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
ask("parent after")
"""


def test_a_child_of_a_fork_has_its_own(server: FaultServer) -> None:
    subprocess.run(
        [sys.executable, "-c", FORK, server.url], cwd=ROOT, timeout=60, check=True
    )
    where = {one.data["text"]: one.connection for one in server.requests}
    assert where["parent before"] == where["parent after"]
    assert where["child"] == where["child again"] != where["parent before"]


def test_a_thread_keeps_but_so_many(server: FaultServer) -> None:
    for number in range(sockets.MAX_SESSIONS + 3):
        provider = RemoteProvider(f"r{number}", endpoint=server.url, key=KEY)
        provider.analyze(["x"], ASKED)
    assert len(sockets._current.sessions) == sockets.MAX_SESSIONS


def test_what_is_sent_is_said(server: FaultServer, provider: RemoteProvider) -> None:
    provider.analyze(["näher \ud800 \x00"], ASKED)
    (request,) = server.requests
    assert request.headers["user-agent"] == (
        f"django-contentsafety/{__version__} (RemoteProvider) "
        f"python-requests/{requests.__version__}"
    )
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["x-api-key"] == KEY
    assert request.data["text"] == "näher \ud800 \x00"


def test_cookies_are_not_kept(server: FaultServer) -> None:
    server.play(answer(FINE, set_cookie="a=b; Path=/"), answer(FINE))
    provider = remote(server.url)
    provider.analyze(["x", "y"], ASKED)
    assert "cookie" not in server.requests[1].headers


def test_netrc_has_no_say(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", tls)
    # TLS, because the environment has no say at all where there is none.
    with FaultServer(answer(FINE), context=context(tls)) as secure:
        remote(secure.url).analyze(["x"], ASKED)
        close_sessions()
        (request,) = secure.requests
    assert "authorization" not in request.headers
    # The control: requests alone would have used it.
    requests.get(server.url, timeout=5)
    assert "authorization" in server.requests[0].headers


def test_a_proxy_does_not_see_what_stays_on_this_machine(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(answer(FINE)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        remote(server.url).analyze(["x"], ASKED)
        assert (proxy.connections, server.connections) == (0, 1)


# TLS.


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A certificate for 127.0.0.1 that nobody has signed, with its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
        "-keyout key.pem -out certificate.pem -days 2 -subj /CN=127.0.0.1 "
        "-addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text(
        (folder / "key.pem").read_text() + (folder / "certificate.pem").read_text()
    )
    return str(both)


def context(tls: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls)
    return context


@pytest.fixture
def secure(tls: str) -> Iterator[FaultServer]:
    with FaultServer(answer(FINE), context=context(tls)) as server:
        yield server
        close_sessions()


@pytest.mark.parametrize("bundle", [None, ""])
def test_a_certificate_nobody_signed_is_refused(
    secure: FaultServer, bundle: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if bundle is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, bundle)
    with pytest.raises(NetworkError, match="TLS"):
        remote(secure.url).analyze(["x"], ASKED)
    assert secure.requests == []


def test_a_certificate_the_host_trusts_is_taken(
    secure: FaultServer, tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", tls)
    provider = remote(secure.url)
    provider.analyze(["a", "b"], ASKED)
    assert (len(secure.requests), secure.connections) == (2, 1)


def test_a_drip_through_tls_ends_in_time(
    secure: FaultServer, tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", tls)
    secure.play(Reply(body=b" " * 500, drip=0.01, drips="all"))
    began = time.monotonic()
    with pytest.raises(NetworkError):
        remote(secure.url, total_timeout=TOTAL).analyze(["x"], ASKED)
    assert time.monotonic() - began < 3
