"""Every row of the retry table (reliability.md §7.4), over real sockets."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from django_contentsafety import exceptions
from django_contentsafety.exceptions import (
    AuthenticationFailed,
    BuildFailed,
    Conflict,
    ContentError,
    DeadlineExceeded,
    Gone,
    InvalidProvider,
    Misconfigured,
    NetworkError,
    NotFound,
    ProtocolError,
    ProviderBug,
    ProviderError,
    RateLimited,
    ServerError,
    SlotsFull,
    TooLarge,
    UnsupportedFeature,
    sealed,
)
from django_contentsafety.testing.fault_server import (
    FaultServer,
    Reply,
    answer,
    black_hole,
    body,
    endless,
    gzip_bomb,
    hang_up,
    redirect,
    reset,
    status,
    truncated,
)

from .conftest import ASKED, FINE, TEXT, patience, remote


def coded(code, message="No."):
    """The envelope in use today."""
    return {"error": {"code": code, "message": message, "details": []}}


SPENT = {
    "statusCode": 403,
    "message": "Out of call volume quota. Quota will be replenished in 20.09:58:55.",
}
PAGE = body(b"<html><title>502</title></html>", "text/html")

#: (what is played, the class it must become, its code in rows).
TABLE = {
    # Read timeout, reset, deadline.
    "black hole": (black_hole(), NetworkError, "network"),
    "reset": (reset(), NetworkError, "network"),
    "hang-up": (hang_up(), NetworkError, "network"),
    "hang-up in the headers": (
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Le", then="close"),
        ProtocolError,
        "protocol",
    ),
    "truncated": (truncated(FINE, 20), NetworkError, "network"),
    "drip": (
        Reply(body=b" " * 500, drip=0.02, headers={"Content-Type": "application/json"}),
        NetworkError,
        "network",
    ),
    # 200, but no answer.
    "HTML": (PAGE, ProtocolError, "protocol"),
    "no JSON": (body(b"{", "application/json"), ProtocolError, "protocol"),
    "a list": (answer([FINE]), ProtocolError, "protocol"),
    "nothing": (body(b"", "application/json"), ProtocolError, "protocol"),
    "another type": (body(b"{}", "text/plain"), ProtocolError, "protocol"),
    "no type": (Reply(body=b"{}"), ProtocolError, "protocol"),
    "another charset": (
        body(b"{}", "application/json; charset=utf-16"),
        ProtocolError,
        "protocol",
    ),
    "another encoding": (
        body(b"{}", "application/json", content_encoding="br"),
        ProtocolError,
        "protocol",
    ),
    "no gzip": (
        body(b"{}", "application/json", content_encoding="gzip"),
        ProtocolError,
        "protocol",
    ),
    "bomb": (gzip_bomb(2), ProtocolError, "protocol"),
    "endless": (endless(), ProtocolError, "protocol"),
    "another 2xx": (answer(FINE, 206), ProtocolError, "protocol"),
    "1xx": (status(103), ProtocolError, "protocol"),
    "beyond 5xx": (status(799), ProtocolError, "protocol"),
    "no HTTP": (Reply(raw=b"SSH-2.0-x\r\n", then="close"), ProtocolError, "protocol"),
    # 3xx.
    **{
        str(code): (redirect("http://127.0.0.2/", code), Misconfigured, "config")
        for code in (300, 301, 302, 303, 304, 307, 308)
    },
    "a redirect nowhere": (status(302), Misconfigured, "config"),
    # The text's fault.
    "400": (status(400, coded("InvalidRequestBody")), ContentError, "content"),
    "413": (status(413), TooLarge, "content"),
    "415": (status(415), ContentError, "content"),
    "422": (status(422), ContentError, "content"),
    # The key's.
    "401": (status(401, coded("401")), AuthenticationFailed, "config"),
    "403": (status(403), AuthenticationFailed, "config"),
    "403, quota": (status(403, SPENT), RateLimited, "throttle"),
    # 404: of something in the service, or of the service.
    "404, coded": (status(404, coded("ResourceNotFound")), NotFound, "missing"),
    "404, flat": (status(404, {"code": "NotFound"}), NotFound, "missing"),
    "404, in a header": (
        status(404, x_ms_error_code="BlobNotFound"),
        NotFound,
        "missing",
    ),
    "404, the gateway": (status(404, coded("404", "Resource not found")), Gone, "gone"),
    "404, bare": (status(404), Gone, "gone"),
    "404, a page": (body(b"<html>", "text/html", 404), Gone, "gone"),
    "410": (status(410), Gone, "gone"),
    "408": (status(408), NetworkError, "network"),
    "425": (status(425), NetworkError, "network"),
    "409": (status(409, coded("OperationExists")), Conflict, "conflict"),
    "429": (status(429, coded("429")), RateLimited, "throttle"),
    **{
        str(code): (status(code), ServerError, "server")
        for code in (500, 502, 503, 504)
    },
    # What the table doesn't name.
    "405": (status(405), Misconfigured, "config"),
    "451": (status(451), Misconfigured, "config"),
    "529": (status(529), ServerError, "server"),
    # The status says it, whatever happens to the body.
    "503, bomb": (gzip_bomb(2, 503), ServerError, "server"),
    "503, endless": (endless(code=503), ServerError, "server"),
    "401, drip": (
        Reply(status=401, body=b" " * 500, drip=0.02),
        AuthenticationFailed,
        "config",
    ),
    "302, bomb": (gzip_bomb(2, 302), Misconfigured, "config"),
}


@pytest.mark.parametrize("row", TABLE)
def test_each_outcome_is_its_class(server: FaultServer, row: str) -> None:
    reply, kind, code = TABLE[row]
    server.play(reply)
    with pytest.raises(ProviderError) as caught:
        remote(server.url, **patience(reply)).analyze([TEXT], ASKED)
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.alias) == (code, "remote")
    said = reply.status if reply.raw is None else None
    if said in (None, 200):
        # Nobody answered, or not with this.
        assert error.status in (None, 200)
    else:
        assert error.status == said
    # What was sent once is not sent again.
    assert len(server.requests) == server.connections == 1


def test_what_can_not_be_reached_is_the_network() -> None:
    with FaultServer(answer(FINE)) as server:
        endpoint = server.url
    with pytest.raises(NetworkError, match="can't be reached"):
        remote(endpoint).analyze([TEXT], ASKED)
    with pytest.raises(NetworkError, match="can't be resolved") as caught:
        # A name that never exists (RFC 6761).
        remote("https://nowhere.invalid").analyze([TEXT], ASKED)
    assert caught.value.status is None


def test_a_mistake_of_ours_is_told_by_place_and_not_by_words(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_contentsafety.http import client

    def explode(*args: object, **options: object) -> None:
        raise TypeError(TEXT)

    monkeypatch.setattr(client, "exchange", explode)
    with pytest.raises(ProviderBug, match=r"TypeError at test_errors.py:\d+") as caught:
        remote(server.url).analyze([TEXT], ASKED)
    assert (caught.value.code, TEXT in str(caught.value)) == ("bug", False)


# What the classes say of themselves.

CLASSES = [
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, ProviderError)
]


def make(kind: type[ProviderError]) -> ProviderError:
    facts = {"alias": "a", "status": 429, "service_code": "C", "request_id": "r"}
    return kind("Words.", retry_after=7, **facts)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_pickle_and_copy(kind: type[ProviderError]) -> None:
    error = make(kind)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(other) is kind
        assert str(other) == "Words."
        assert vars(other) == vars(error)
    assert (error.retry_after, error.status, error.alias) == (7, 429, "a")


def test_the_codes_that_rows_record() -> None:
    assert {kind.__name__: kind.code for kind in CLASSES} == {
        "ProviderError": "network",
        "NetworkError": "network",
        "ServerError": "server",
        "DeadlineExceeded": "deadline",
        "RateLimited": "throttle",
        "ProtocolError": "protocol",
        "ContentError": "content",
        "TooLarge": "content",
        "Misconfigured": "config",
        "AuthenticationFailed": "config",
        "UnsupportedFeature": "config",
        "Gone": "gone",
        "NotFound": "missing",
        "Conflict": "conflict",
        "BuildFailed": "build",
        "SlotsFull": "slots",
        "ProviderBug": "bug",
    }


def test_what_may_be_asked_again_and_what_costs_no_try() -> None:
    final = {kind for kind in CLASSES if not kind.retryable}
    assert final == {
        ContentError,
        TooLarge,
        Misconfigured,
        AuthenticationFailed,
        UnsupportedFeature,
        Gone,
        NotFound,
        BuildFailed,
        SlotsFull,
    }
    free = {kind for kind in CLASSES if kind.refund}
    assert free == {RateLimited, DeadlineExceeded} | {
        k for k in final if issubclass(k, Misconfigured)
    }


# The facts an error carries.


@pytest.mark.parametrize(
    "header",
    [
        "x-ms-request-id",
        "apim-request-id",
        "x-request-id",
        "request-id",
        "x-correlation-id",
        "traceparent",
    ],
)
def test_the_request_id_is_kept(server: FaultServer, header: str) -> None:
    name = header.replace("-", "_")
    server.play(answer(FINE, **{name: "a-1"}), status(500, **{name: "b-2"}))
    provider = remote(server.url)
    assert provider.analyze(["x"], ASKED)[0].request_id == "a-1"
    with pytest.raises(ServerError) as caught:
        provider.analyze(["x"], ASKED)
    assert caught.value.request_id == "b-2"


@pytest.mark.parametrize("value", ["x" * 129, "a b", "<script>", "a\x01b", "é"])
def test_a_request_id_nobody_can_use_is_dropped(
    server: FaultServer, value: str
) -> None:
    server.play(status(500, x_request_id=value))
    with pytest.raises(ServerError) as caught:
        remote(server.url).analyze(["x"], ASKED)
    assert caught.value.request_id == ""


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (status(400, coded("InvalidRequestBody")), "InvalidRequestBody"),
        (status(400, {"code": "BadThing", "message": "x"}), "BadThing"),
        (status(400, x_ms_error_code="FromHeader"), "FromHeader"),
        (status(401, coded("401")), "401"),
        (status(400, coded("not a code")), ""),
        (status(400, coded("x" * 65)), ""),
        (status(400, coded(7)), ""),
        (status(400, {"error": "text"}), ""),
        (status(400, [1]), ""),
        (body(b'{"code": "A", "code": "B"}', "application/json", 400), ""),
        (body(b"\xff\xfe", "text/plain", 400), ""),
    ],
)
def test_the_service_code_is_kept_if_it_is_one(
    server: FaultServer, reply: Reply, code: str
) -> None:
    server.play(reply)
    with pytest.raises(ProviderError) as caught:
        remote(server.url).analyze([TEXT], ASKED)
    assert caught.value.service_code == code


def test_a_code_that_repeats_what_was_sent_is_dropped(server: FaultServer) -> None:
    server.play(status(404, coded("secretword"), x_request_id="secretword"))
    with pytest.raises(NotFound) as caught:
        remote(server.url).analyze(["a secretword here"], ASKED)
    assert (caught.value.service_code, caught.value.request_id) == ("", "")
    assert "secretword" not in str(caught.value)


# How long to wait.


OLD = "Wed, 21 Oct 2015 07:28:00 GMT"
#: (the answer's headers, its words, the least and the most it may come to).
WAITS = {
    "seconds": ({"retry_after": "7"}, "", 7, 7),
    "a fraction": ({"retry_after": "1.5"}, "", 1.5, 1.5),
    "a date by their clock": (
        {"retry_after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": OLD},
        "",
        30,
        30,
    ),
    "a date in the past": ({"retry_after": OLD}, "", 1, 1),
    "ms": ({"retry_after_ms": "2500"}, "", 2.5, 2.5),
    "Azure's ms": ({"x_ms_retry_after_ms": "3000"}, "", 3, 3),
    "words": ({}, "Rate limit is exceeded. Try again in 55 seconds.", 55, 55),
    "other words": ({}, "Please retry after 12 seconds. More.", 12, 12),
    "one second": ({}, "try again in 1 second", 1, 1),
    "replenished": ({}, "Quota will be replenished in 00:02:05.", 125, 125),
    "too short": ({"retry_after": "0"}, "", 1, 1),
    "too long": ({"retry_after": "86400"}, "", 900, 900),
    "words too long": ({}, "Try again in 86400 seconds.", 900, 900),
    "days": ({}, "Quota will be replenished in 20.09:58:55.", 900, 900),
    "nothing": ({}, "", 10, 10),
    "negative": ({"retry_after": "-5"}, "", 10, 10),
    "no number": ({"retry_after": "soon"}, "", 10, 10),
    "infinite": ({"retry_after": "inf"}, "", 10, 10),
    "NaN": ({"retry_after": "nan"}, "", 10, 10),
    "huge": ({"retry_after": "9" * 400}, "", 10, 10),
    "hostile date": ({"retry_after": "Mon, 99 Foo 99999999999 99:99:99"}, "", 10, 10),
    "other digits": ({}, "try again in \u0665 seconds", 10, 10),
    "header before words": ({"retry_after": "3"}, "try again in 9 seconds", 3, 3),
    "bad header, good words": ({"retry_after": "x"}, "try again in 9 seconds", 9, 9),
}


@pytest.mark.parametrize("row", WAITS)
def test_the_wait_is_what_the_answer_says_within_bounds(
    server: FaultServer, row: str
) -> None:
    headers, words, least, most = WAITS[row]
    server.play(status(429, coded("429", words), **headers))
    with pytest.raises(RateLimited) as caught:
        remote(server.url).analyze(["x"], ASKED)
    assert least <= caught.value.retry_after <= most


def test_a_date_without_a_clock_of_theirs_is_by_ours(server: FaultServer) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    server.play(status(429, retry_after=until))
    with pytest.raises(RateLimited) as caught:
        remote(server.url).analyze(["x"], ASKED)
    assert 500 < caught.value.retry_after <= 600


def test_words_are_read_from_any_body(server: FaultServer) -> None:
    server.play(body(b"<p>Try again in 33 seconds</p>", "text/html", 429))
    with pytest.raises(RateLimited) as caught:
        remote(server.url).analyze(["x"], ASKED)
    assert caught.value.retry_after == 33


def test_a_503_may_say_when_and_a_500_may_not(server: FaultServer) -> None:
    server.play(
        status(503, retry_after="20"), status(503), status(500, retry_after="20")
    )
    provider, waits = remote(server.url), []
    for _ in range(3):
        with pytest.raises(ServerError) as caught:
            provider.analyze(["x"], ASKED)
        waits.append(caught.value.retry_after)
    assert waits == [20, None, None]


def test_a_spent_quota_says_until_when(server: FaultServer) -> None:
    server.play(status(403, SPENT))
    with pytest.raises(RateLimited) as caught:
        remote(server.url).analyze(["x"], ASKED)
    assert (caught.value.retry_after, caught.value.status) == (900, 403)


# Two keys.


def test_a_refused_key_makes_way_for_the_second_once(server: FaultServer) -> None:
    server.play(status(401), answer(FINE), status(401))
    provider = remote(server.url, second_key="another")
    provider.analyze(["x"], ASKED)
    keys = [request.headers["x-api-key"] for request in server.requests]
    assert keys[0] != keys[1] == "another"
    with pytest.raises(AuthenticationFailed):
        provider.analyze(["x"], ASKED)
    assert len(server.requests) == 4


# Sealed.


def frames(error: BaseException) -> list[str]:
    names, traceback = [], error.__traceback__
    while traceback:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    return names


@pytest.mark.parametrize("kind", [ProtocolError, InvalidProvider])
def test_a_sealed_function_shows_no_frame_of_its_own(kind: type[Exception]) -> None:
    @sealed
    def secretive(text: str) -> None:
        try:
            raise ValueError(text)
        except ValueError as error:
            raise kind("No.") from error

    def outer() -> None:
        try:
            raise KeyError(TEXT)
        except KeyError:
            secretive(TEXT)

    with pytest.raises(kind) as caught:
        outer()
    error = caught.value
    assert error.__cause__ is error.__context__ is None
    assert "secretive" not in frames(error)


def test_a_sealed_function_is_else_as_it_was() -> None:
    @sealed
    def double(number: int) -> int:
        """Twice."""
        return number * 2

    assert (double(number=2), double.__name__, double.__doc__) == (
        4,
        "double",
        "Twice.",
    )

    @sealed
    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        fail()
    assert frames(caught.value)[-1] == "fail"


def test_what_a_provider_lacks_is_a_matter_of_settings() -> None:
    assert issubclass(UnsupportedFeature, Misconfigured)
