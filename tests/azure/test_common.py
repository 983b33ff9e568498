"""Pages at home, words that quote nothing, and the dialects in one table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.exceptions import ProtocolError, ProviderError
from django_contentsafety.http import Client, close_sessions
from django_contentsafety.providers.azure.common import (
    CATEGORY_NAME,
    DIALECTS,
    MAX_PAGES,
    connect,
    pages,
    word,
)
from django_contentsafety.providers.azure.reasons import MAX_WORDS, reason
from django_contentsafety.testing.fault_server import FaultServer, Reply, answer

from .asking import KEY, PATIENT


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(answer({"value": []})) as server:
        yield server
        close_sessions()


def client(server: FaultServer) -> Client:
    return connect("azure", endpoint=server.url, key=KEY, **PATIENT)


def listed(server: FaultServer, *replies: Reply) -> list[Any]:
    server.play(*replies)
    return list(pages(client(server), "/text/incidents", {"api-version": "1"}))


def page(*names: str, link: Any = None) -> Reply:
    more = {} if link is None else {"nextLink": link}
    return answer({"value": [{"name": name} for name in names], **more})


def test_pages_are_followed_until_there_is_none(server: FaultServer) -> None:
    link = f"{server.url}/contentsafety/text/incidents?top=1&skip=2&api-version=1"
    found = listed(server, page("a", link=link), page("b", link=""))
    assert [one["name"] for one in found] == ["a", "b"]
    # As the service wrote it, with its own parameters.
    assert [request.path for request in server.requests] == [
        "/contentsafety/text/incidents?api-version=1",
        "/contentsafety/text/incidents?top=1&skip=2&api-version=1",
    ]


@pytest.mark.parametrize(
    ("endpoint", "location"),
    [
        ("https://a.example", "https://a.example:443/contentsafety/x?y=1"),
        ("https://a.example:443", "https://a.example/contentsafety/x?y=1"),
        ("https://A.example", "https://a.EXAMPLE/contentsafety/x?y=1"),
        ("http://127.0.0.1", "http://127.0.0.1:80/contentsafety/x?y=1"),
    ],
)
def test_the_port_that_goes_without_saying_is_the_same_host(
    endpoint: str, location: str
) -> None:
    assert connect("azure", endpoint=endpoint, key=KEY).path_of(location) == "/x?y=1"


@pytest.mark.parametrize(
    "link",
    [
        "https://127.0.0.1:{port}/contentsafety/x",
        "http://localhost:{port}/contentsafety/x",
        "http://127.0.0.1:{port}@evil.example/contentsafety/x",
        "http://127.0.0.1:{port}/contentmoderator/x",
        "http://127.0.0.1:{port}/contentsafety/../x",
        "http://127.0.0.1:{port}/contentsafetyx/y",
        "http://127.0.0.1:{port}#/contentsafety/x",
        "http://127.0.0.1:{port}/contentsafety\\x",
        "http://127.0.0.1:80/contentsafety/x",
        "/contentsafety/x",
        "//evil.example/contentsafety/x",
        "http://127.0.0.1:port/contentsafety/x",
    ],
)
def test_a_page_elsewhere_is_not_asked_for(server: FaultServer, link: str) -> None:
    with pytest.raises(ProtocolError, match="not its own"):
        listed(server, page("a", link=link.format(port=server.port)))
    assert len(server.requests) == 1


def test_a_list_without_an_end_has_one(server: FaultServer) -> None:
    link = f"{server.url}/contentsafety/text/incidents"
    with pytest.raises(ProtocolError, match="pages"):
        listed(server, page("a", link=link))
    assert len(server.requests) == MAX_PAGES + 1


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"value": None},
        {"value": {}},
        {"value": ["a"]},
        {"value": [], "nextLink": 7},
    ],
)
def test_a_page_that_is_none_is_refused(server: FaultServer, data: Any) -> None:
    with pytest.raises(ProtocolError):
        listed(server, answer(data))


@pytest.mark.parametrize("status", [None, 7, "", "<b>", "x" * 65, " Running"])
def test_a_status_that_is_no_word_is_refused(server: FaultServer, status: Any) -> None:
    server.play(answer({"status": status}))
    found = client(server).get("/x")
    with pytest.raises(ProviderError, match="has no status"):
        word(found, found.data, "status")


def test_a_word_nobody_knows_is_one(server: FaultServer) -> None:
    server.play(answer({"status": "Warming up"}))
    found = client(server).get("/x")
    assert word(found, found.data, "status") == "Warming up"
    assert {one.status("Warming up") for one in DIALECTS.values()} == {"unknown"}


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("a", True),
        ("survival-advice", True),
        ("1-2", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("-a", False),
        ("a-", False),
        ("a_b", False),
        ("a b", False),
        ("é", False),
        ("a\n", False),
        ("", False),
    ],
)
def test_a_name_that_every_version_takes(name: str, fits: bool) -> None:
    assert bool(CATEGORY_NAME.fullmatch(name)) is fits


# The service's own reason.

SAMPLES = b"\n".join(
    json.dumps({"text": text, "isPositive": True}).encode()
    for text in ("Send your  PIN now, quickly", "Ünïcode win", "kill", "a")
)


def said(message: object, code: object = "InvalidRequestBody") -> str:
    return str(reason({"code": code, "message": message}, samples=SAMPLES, name="scam"))


def test_its_words_are_shown() -> None:
    words = "Too few positive samples in scam: 50 are needed."
    assert said(f"{words} | Request Id: 1-2, Timestamp: 2025-08-27T08:16:17Z.") == (
        f"InvalidRequestBody: {words}"
    )
    assert str(reason({"error": {"code": "X", "message": "No."}})) == "X: No."
    assert str(reason("No. ")) == "No."


@pytest.mark.parametrize(
    "quoting",
    [
        "Line 3: 'Send your PIN now, quickly' stands there twice.",
        "Line 3: 'send YOUR pin no...' stands there twice.",
        "Line 3: '\u00fcn\u00efcode WIN' stands there twice.",
        "Line 4: 'kill'.",
    ],
)
def test_words_that_quote_a_sample_are_not(quoting: str) -> None:
    assert said(quoting) == "InvalidRequestBody"
    assert said("Fine words.", code="kill") == "Fine words."


@pytest.mark.parametrize("error", [None, 7, [], {}, {"code": 7, "message": []}])
def test_no_reason_is_none(error: Any) -> None:
    assert str(reason(error, samples=SAMPLES)) == ""


@given(st.text(max_size=900), st.text(min_size=12, max_size=40))
def test_whatever_it_says_is_short_and_quotes_nothing(words: str, text: str) -> None:
    samples = json.dumps({"text": text}).encode()
    shown = reason(f"{words}{text}{words}", samples=samples).message
    assert len(shown) <= MAX_WORDS
    assert all(character.isprintable() for character in shown)
    flat = " ".join(text.split())
    assert len(flat) < 4 or flat.casefold() not in shown.casefold()
