"""No key and no text in what an error, a log, a warning or a traceback shows."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import pytest

from django_contentsafety.exceptions import InvalidProvider, ProviderError, describe
from django_contentsafety.http import HeaderKey, client
from django_contentsafety.providers import BuildRequest, CustomCategory
from django_contentsafety.testing.fault_server import (
    FaultServer,
    Reply,
    answer,
    body,
    status,
)
from django_contentsafety.testing.remote import RemoteProvider

from .conftest import ASKED, KEY, TEXT, patience, remote
from .test_errors import TABLE

CANARY = "CANARY"


def echoing(request: Any) -> Reply:
    """The service quotes all it was given, wherever it can."""
    everything = f"{request.headers['x-api-key']} {request.body.decode()}"
    word = request.headers["x-api-key"]
    return answer(
        {"error": {"code": word, "message": everything}, everything: everything},
        400,
        x_request_id=word,
        x_ms_error_code=word,
        retry_after=word,
    )


def echoing_text(request: Any) -> Reply:
    return status(404, {"code": "text-CANARY"}, apim_request_id="text-CANARY")


def echoing_fine(request: Any) -> Reply:
    """The right status, and nonsense that quotes."""
    return body(request.body * 2, "application/json", x_request_id="text-CANARY")


#: What quotes in places that libraries log or put into their own errors.
ECHOES: dict[str, Reply | Callable[[Any], Reply]] = {
    "in the error": echoing,
    "in its code": echoing_text,
    "in no JSON": echoing_fine,
    "in JSON": lambda request: answer({"scores": [{"category": TEXT, "score": KEY}]}),
    "in a header line": Reply(
        raw=f"HTTP/1.1 200 OK\r\nCANARY {TEXT}\r\nX: {KEY}\r\n\r\n{{}}".encode(),
        then="close",
    ),
    "in the status line": Reply(raw=f"HTTP/1.1 {TEXT}\r\n\r\n".encode(), then="close"),
    "in no HTTP": Reply(raw=f"{TEXT} {KEY}\r\n\r\n".encode(), then="close"),
    "in the reason": Reply(raw=f"HTTP/1.1 500 {KEY}\r\n\r\n".encode(), then="close"),
    "in the length": Reply(
        raw=f"HTTP/1.1 200 OK\r\nContent-Length: {KEY}\r\n\r\n{TEXT}".encode(),
        then="close",
    ),
    "in two lengths": Reply(
        raw=f"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: {KEY}\r\n\r\n"
        "{}".encode(),
        then="close",
    ),
    "in a chunk's size": Reply(
        raw=f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{TEXT}\r\n".encode(),
        then="close",
    ),
    "in a redirect": Reply(status=302, headers={"Location": f"http://{KEY}.example/"}),
    "in a bad redirect": Reply(status=307, headers={"Location": f"http://[{KEY}"}),
    "in a cookie": status(500, set_cookie=f"{KEY}={TEXT}; expires={KEY}"),
    "in the type": body(b"{}", f"text/{KEY}; charset={KEY}"),
    "in the encoding": body(b"{}", "application/json", content_encoding=KEY),
}

PATHS: dict[str, Any] = {**{row: TABLE[row][0] for row in TABLE}, **ECHOES}


class Records(logging.Handler):
    """Keeps all that any logger says, with what an error reporter would add to it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.shown: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.shown.append(logging.Formatter().format(record))
        self.shown.append(repr(vars(record)))
        if record.exc_info and record.exc_info[2]:
            self.shown += seen_in(record.exc_info[2], skip=0)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All that is logged at DEBUG, urllib3's own included."""
    handler, root = Records(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    loggers = [logging.getLogger(name) for name in ("urllib3", "requests")]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield handler.shown
    root.removeHandler(handler)
    root.setLevel(before)
    for logger in loggers:
        logger.setLevel(logging.NOTSET)


def seen_in(trace: TracebackType | None, *, skip: int) -> list[str]:
    """What an error reporter shows of a traceback: each frame's locals, by repr.

    ``skip`` leaves out the outermost frames: a test knows what it asks about.
    """
    shown: list[str] = []
    while trace:
        if skip:
            skip -= 1
        else:
            frame = trace.tb_frame
            for name, value in frame.f_locals.items():
                shown += [f"{frame.f_code.co_name}.{name} = {value!r}"]
                # One level deeper than reporters go.
                shown += [
                    repr(value) for value in getattr(value, "__dict__", {}).values()
                ]
        trace = trace.tb_next
    return shown


def shown_by(error: BaseException) -> list[str]:
    """All that somebody who gets hold of ``error`` may print or store."""
    return [
        str(error),
        repr(error),
        repr(vars(error)),
        describe(error),
        repr(pickle.dumps(error)),
        repr(vars(copy.copy(error))),
        "".join(traceback.format_exception(error)),
        *seen_in(error.__traceback__, skip=1),
    ]


def hits(shown: list[str]) -> list[str]:
    return [one for one in shown if CANARY in one]


@pytest.mark.parametrize("path", PATHS)
def test_no_failing_path_shows_key_or_text(
    server: FaultServer,
    path: str,
    logged: list[str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    reply = PATHS[path]
    server.play(reply)
    hasty = patience(reply) if isinstance(reply, Reply) else {}
    provider = remote(server.url, **hasty)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(ProviderError) as caught:
            provider.analyze([TEXT], ASKED)
    error = caught.value
    assert error.__cause__ is error.__context__ is None
    # The walk sees frames of ours, or it would prove nothing.
    assert len(seen_in(error.__traceback__, skip=1)) > 0
    out = capfd.readouterr()
    # Not the test's own name for the case, which pytest puts nowhere near.
    assert hits([*shown_by(error), *map(str, warned), out.out, out.err]) == []
    assert hits(logged) == []
    # The control: it was sent.
    sent = server.requests[0]
    assert CANARY in sent.headers["x-api-key"]
    assert CANARY.encode() in sent.body


def test_what_a_good_call_logs_is_harmless(
    server: FaultServer, provider: RemoteProvider, logged: list[str]
) -> None:
    provider.analyze([TEXT], ASKED)
    assert any("POST /analyze" in line for line in logged)
    assert hits(logged) == []


def test_an_unreachable_service_shows_nothing(logged: list[str]) -> None:
    with FaultServer(answer({})) as server:
        endpoint = server.url
    for one in (endpoint, endpoint.replace("http:", "https:")):
        with pytest.raises(ProviderError) as caught:
            remote(one).analyze([TEXT], ASKED)
        assert hits([*shown_by(caught.value), *logged]) == []


def test_a_mistake_of_ours_shows_nothing(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    def explode(*args: object, **options: object) -> None:
        raise TypeError(f"{args} {options}")

    # Deep in requests, whose frames hold the prepared request.
    monkeypatch.setattr("requests.models.PreparedRequest.prepare_auth", explode)
    with pytest.raises(ProviderError) as caught:
        remote(server.url).analyze([TEXT], ASKED)
    assert caught.value.code == "bug"
    assert hits([*shown_by(caught.value), *logged]) == []


def test_without_the_seal_the_text_is_there(server: FaultServer) -> None:
    """The control of the walk itself."""
    server.play(status(500))
    provider = remote(server.url)
    with pytest.raises(ProviderError) as caught:
        RemoteProvider.analyze.__wrapped__(  # type: ignore[attr-defined]
            provider, [TEXT], ASKED
        )
    assert hits(seen_in(caught.value.__traceback__, skip=1))


BUILD = BuildRequest(
    name="scam",
    version=1,
    definition=TEXT,
    samples=f'{{"text": "{TEXT}"}}'.encode(),
    operation_id="cs-1",
)
METHODS: dict[str, Callable[[RemoteProvider], object]] = {
    "analyze": lambda p: p.analyze(
        [TEXT], [CustomCategory(name="scam", version=1, load=bytes)]
    ),
    "register": lambda p: p.register(BUILD),
    "submit": lambda p: p.submit(BUILD, "1"),
    "poll": lambda p: p.poll(BUILD, "1", lambda phase, fraction: None),
}
#: Sent no text, so no echo of one can be told from a word of the service's own.
TEXTLESS = [
    (method, path)
    for method in ("submit", "poll")
    for path in ("in its code", "in no JSON")
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", [*ECHOES, "404, coded", "409", "500", "reset"])
def test_no_method_shows_key_or_text(
    server: FaultServer, method: str, path: str, logged: list[str]
) -> None:
    if (method, path) in TEXTLESS:
        return
    # What asks first and then acts meets the fault when it acts.
    found = status(404, {"error": {"code": "None"}})
    server.play(*([found] if method in ("register", "submit") else []), PATHS[path])
    try:
        METHODS[method](remote(server.url))
    except ProviderError as error:
        assert error.__cause__ is error.__context__ is None
        assert hits(shown_by(error)) == []
    else:
        assert (method, path) == ("submit", "409")
    assert hits(logged) == []


def test_no_repr_shows_key_or_text(server: FaultServer) -> None:
    from requests import PreparedRequest

    provider = remote(server.url, second_key=KEY)
    key = HeaderKey("a", "X-Api-Key", KEY)
    found = client.Client("a", server.url, key=key, provider="P").get("/")
    shown = [repr(one) for one in (provider, key, found, provider._client)]
    shown += [str(key), f"{key}", provider.credential, key.fingerprint]
    shown += [repr(value) for value in vars(provider).values()]
    shown += [repr(value) for value in vars(provider._client).values()]
    assert hits(shown) == []
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)
    assert key(PreparedRequest_with_headers(PreparedRequest())).headers == {
        "X-Api-Key": KEY
    }


def PreparedRequest_with_headers(request: Any) -> Any:
    request.headers = {}
    return request


@pytest.mark.parametrize(
    "options",
    [
        {"key": f"{KEY}\n"},
        {"key": f"{KEY} {KEY}"},
        {"key": f"{KEY}é"},
        {"key": [KEY]},
        {"second_key": f"{KEY}\t"},
        {"endpoint": f"https://{KEY}@host"},
        {"endpoint": f"https://user:{KEY}@host"},
        {"endpoint": f"https://host/?key={KEY}"},
        {"endpoint": f"https://host/#{KEY}"},
        {"endpoint": f"https://host:{KEY}/"},
        {"endpoint": f"https://[{KEY}/"},
        {"endpoint": f"http://{KEY}/"},
        {"endpoint": f"{KEY}"},
        {"read_timeout": KEY},
    ],
    ids=lambda options: next(iter(options)),
)
def test_a_refused_setting_is_not_repeated(
    options: dict[str, Any], logged: list[str]
) -> None:
    with pytest.raises(InvalidProvider, match="Provider 'remote'") as caught:
        remote(**{"endpoint": "https://host", **options})
    # Of the frames, those below the helper that gave the options.
    shown = seen_in(caught.value.__traceback__, skip=2)
    assert shown
    assert hits([str(caught.value), repr(vars(caught.value)), *shown, *logged]) == []
