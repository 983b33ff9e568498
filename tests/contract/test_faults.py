"""What every remote provider makes of a bad day, at each of its requests in turn.

An error of the family that says what happens next, never a verdict, and no word of
text or key in it; the next try finds a service that is well again.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from django_contentsafety.exceptions import ProviderError
from django_contentsafety.http import close_sessions, within
from django_contentsafety.providers import Provider
from django_contentsafety.testing.azure import faults
from django_contentsafety.testing.azure.wire import gateway, wrong_key
from django_contentsafety.testing.fault_server import (
    Reply,
    Request,
    Script,
    answer,
    black_hole,
    body,
    gzip_bomb,
    hang_up,
    redirect,
    reset,
    status,
)
from tests.building import HASTY

from .conftest import Table, every_remote_party
from .parties import KEY, REMOTE

DAY = 86_400
#: The longest wait that is believed, in seconds.
CAP = 900.0

#: What is answered, the error's code, and the seconds to wait (None = nobody says).
FAULTS: dict[str, tuple[Reply, str, float | None]] = {
    "401": (wrong_key(), "config", 300),
    "403": (wrong_key(403), "config", 300),
    "403, flat": (answer({"code": "403", "message": "No."}, 403), "config", 300),
    "404": (gateway(404, "Resource not found"), "gone", 300),
    "404, bare": (status(404), "gone", 300),
    "404, of the service": (
        answer({"error": {"code": "ResourceNotFound"}}, 404),
        "missing",
        300,
    ),
    "400": (answer({"error": {"code": "InvalidRequestBody"}}, 400), "content", None),
    "400, flat": (answer({"code": "InvalidRequestBody"}, 400), "content", None),
    "429, nothing": (faults.throttled("nothing"), "throttle", 10),
    "429, of the service": (faults.throttled("service"), "throttle", 10),
    "429, seconds": (faults.throttled("seconds"), "throttle", 7),
    "429, a date": (faults.throttled("date"), "throttle", 7),
    "429, milliseconds": (faults.throttled("milliseconds"), "throttle", 7),
    "429, x-ms-milliseconds": (faults.throttled("x-ms-milliseconds"), "throttle", 7),
    "429, words": (faults.throttled("words", 55), "throttle", 55),
    "429, other words": (faults.throttled("other words"), "throttle", 7),
    "429, a day": (faults.throttled("seconds", DAY), "throttle", CAP),
    "429, a day by date": (faults.throttled("date", DAY), "throttle", CAP),
    "429, a day in words": (faults.throttled("other words", DAY), "throttle", CAP),
    "403, the month's quota": (faults.quota_spent(), "throttle", CAP),
    "403, quota for a minute": (faults.quota_spent("00:01:00"), "throttle", 60),
    "500": (faults.server_error(500), "server", None),
    "500, a page": (faults.page(500), "server", None),
    "503": (faults.server_error(503), "server", None),
    "503, seconds": (status(503, retry_after="9"), "server", 9),
    "504": (faults.server_error(504), "server", None),
    "502": (faults.page(502), "server", None),
    "a reset": (reset(), "network", None),
    "a hang-up": (hang_up(), "network", None),
    "a page": (faults.page(), "protocol", None),
    "nothing": (faults.nothing(), "protocol", None),
    "204": (status(204), "protocol", None),
    "202": (answer({}, 202), "protocol", None),
    "no JSON": (body(b"{", "application/json"), "protocol", None),
    "a list": (answer([]), "protocol", None),
    "an empty object": (answer({}), "protocol", None),
    "a bomb": (gzip_bomb(2), "protocol", None),
    "a redirect": (redirect("http://127.0.0.2/"), "config", 300),
}
#: These take as long as the provider lets them.
SLOW = {
    "silence": black_hole(),
    "a drip": Reply(
        headers={"Content-Type": "application/json"}, body=b" " * 200, drip=0.02
    ),
    "a late answer": answer({}),
}


def failed(table: Table, provider: Provider | None = None) -> ProviderError:
    """The error, with nothing in it that should not be there."""
    provider = provider or table.provider()
    with pytest.raises(ProviderError) as caught:
        provider.analyze([table.party.bad], table.party.asked)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert KEY not in shown
    assert "CANARY" not in str(caught.value)
    frame = caught.value.__traceback__
    while frame is not None:
        if "tests" not in frame.tb_frame.f_code.co_filename:
            assert "CANARY" not in repr(frame.tb_frame.f_locals)
        frame = frame.tb_next
    assert caught.value.alias == "party"
    return caught.value


@every_remote_party
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_an_error_of_its_kind(table: Table, fault: str) -> None:
    reply, code, wait = FAULTS[fault]
    for place in range(table.count()):
        provider = table.provider()
        table.answer_then(place, reply)
        error = failed(table, provider)
        assert (error.code, error.retry_after) == (code, wait)
        if reply.status >= 400:
            assert error.status == reply.status
        # It was an answer's fault: the next try goes well.
        (verdict,) = provider.analyze([table.party.bad], table.party.asked)
        assert table.decision(verdict) in ("review", "block")


@every_remote_party
@pytest.mark.parametrize("fault", SLOW)
def test_slowness_ends(table: Table, fault: str) -> None:
    reply = SLOW[fault]
    if fault == "a late answer":
        reply = Reply(headers=reply.headers, body=reply.body, delay=5)
    for place in range(table.count()):
        table.answer_then(place, reply)
        assert failed(table, table.provider(**HASTY)).code == "network"


@every_remote_party
def test_the_callers_own_time_is_no_fault_of_the_service(table: Table) -> None:
    table.play(black_hole())
    with within(0.2):
        error = failed(table)
    assert (error.code, error.refund) == ("deadline", True)


@every_remote_party
def test_nobody_there(table: Table) -> None:
    provider = table.provider()
    table.online.close()
    close_sessions()
    assert failed(table, provider).code == "network"


# Answers of the service itself, of which something is wrong.

Change = Callable[[Any], Any]


def mangled(service: Script, change: Change) -> Script:
    """What ``service`` answers, changed."""

    def script(request: Request) -> Reply:
        reply = service(request)
        return Reply(
            headers=reply.headers,
            body=json.dumps(change(json.loads(reply.body))).encode(),
        )

    return script


def everywhere(change: Callable[[str, Any], tuple[str, Any] | None]) -> Change:
    """``change`` at each member of each object; None takes it away."""

    def walk(data: Any) -> Any:
        if isinstance(data, list):
            return [walk(one) for one in data]
        if not isinstance(data, dict):
            return data
        pairs = [change(name, value) for name, value in data.items()]
        return {name: walk(value) for name, value in filter(None, pairs)}

    return walk


MEASURES = ("severity", "score", "detected")
NAMES = ("category", "categoryName", "incidentName")
#: All of a text's answers are changed so; where the change finds nothing to change,
#: the party's answer is left as it is.
CHANGES: dict[str, Change] = {
    "a missing severity": everywhere(lambda n, v: None if n in MEASURES else (n, v)),
    "a severity of null": everywhere(lambda n, v: (n, None if n in MEASURES else v)),
    "a severity in words": everywhere(lambda n, v: (n, "0" if n in MEASURES else v)),
    "a severity below 0": everywhere(lambda n, v: (n, -1 if n in MEASURES else v)),
    "a severity above 7": everywhere(lambda n, v: (n, 8 if n in MEASURES else v)),
    "an unknown category": everywhere(lambda n, v: (n, "Envy" if n in NAMES else v)),
    "a category of null": everywhere(lambda n, v: (n, None if n in NAMES else v)),
    "no name": everywhere(lambda n, v: None if n in NAMES else (n, v)),
    "every entry twice": everywhere(
        lambda n, v: (n, v * 2 if isinstance(v, list) else v)
    ),
    "no entries": everywhere(lambda n, v: (n, [] if isinstance(v, list) else v)),
    "no lists": everywhere(lambda n, v: (n, None if isinstance(v, list) else v)),
    "all of it deeper": lambda data: {"result": data},
    "another case": everywhere(lambda n, v: (n.upper(), v)),
}


#: Who only says what matches measures nothing, and may well have no entries.
MATCHES = {"Incidents"}
OF_MATCHES = {name for name in CHANGES if "severity" not in name} - {
    "every entry twice",
    "no entries",
}


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (name, change)
        for name in REMOTE
        for change in CHANGES
        if name not in MATCHES or change in OF_MATCHES
    ],
    indirect=["table"],
)
def test_half_an_answer_is_none(table: Table, change: str) -> None:
    assert table.party.service
    service = table.party.service()
    table.online.play(mangled(service, CHANGES[change]))
    assert failed(table).code == "protocol"


@every_remote_party
@pytest.mark.parametrize("cut", [1, 2, 20, 50])
def test_a_truncated_answer_is_none(table: Table, cut: int) -> None:
    assert table.party.service
    service = table.party.service()

    def short(request: Request) -> Reply:
        return faults.cut(service(request), -cut)

    def broken_off(request: Request) -> Reply:
        reply = service(request)
        return Reply(
            headers=reply.headers,
            body=reply.body,
            cut=max(len(reply.body) - cut, 0),
            then="close",
        )

    table.online.play(short)
    assert failed(table).code == "protocol"
    table.online.play(broken_off)
    assert failed(table).code == "network"


@every_remote_party
def test_a_category_more_is_no_answer_about_those_asked_for(table: Table) -> None:
    """A new one of the service's is none of ours; it never stands in for one."""
    assert table.party.service
    service = table.party.service()

    def more(data: Any) -> Any:
        for value in data.values():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                extra = {n: "Envy" if n in NAMES else v for n, v in value[0].items()}
                value.append(extra)
        return data

    table.online.play(mangled(service, more))
    try:
        (verdict,) = table.analyze(table.party.bad)
    except ProviderError as error:
        assert error.code == "protocol"
    else:
        assert [score.category for score in verdict.scores] == table.party.names
        assert table.decision(verdict) in ("review", "block")


@every_remote_party
def test_members_more_are_no_fault(table: Table) -> None:
    """Services grow: what is asked for is read, and what isn't is left."""
    assert table.party.service
    grown = everywhere(lambda name, value: (name, value))

    def more(data: Any) -> Any:
        return {**grown(data), "modelVersion": "2026-11-01", "new": [{"x": None}]}

    table.online.play(mangled(table.party.service(), more))
    (verdict,) = table.analyze(table.party.bad)
    assert table.decision(verdict) in ("review", "block")
