"""No key, token or text in what an error, a log, a repr or a traceback shows."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_contentsafety.exceptions import InvalidProvider, ProviderError
from django_contentsafety.http import close_sessions
from django_contentsafety.providers.azure.questions import Interview
from django_contentsafety.testing.fault_server import FaultServer, Reply, answer, status
from tests.http.test_errors import TABLE
from tests.http.test_secrets import ECHOES, hits, logged, seen_in, shown_by

from .asking import custom, moderator, safety
from .test_tokens import Fake

__all__ = ["logged"]

KEY = "k3yCANARYk3yCANARYk3yCANARY"
TOKEN = "t0kenCANARYt0kenCANARY"
TEXT = "text-CANARY, as somebody wrote it"
HASTY = {"connect_timeout": 0.3, "read_timeout": 0.3, "total_timeout": 0.6}

#: The services with each of the two ways to say who asks.
MADE: dict[str, Callable[..., Any]] = {
    "safety, key": lambda url, **o: safety(url, key=KEY, **o),
    "safety, token": lambda url, **o: safety(url, credential=Fake(TOKEN), **o),
    "moderator, key": lambda url, **o: moderator(url, key=KEY, **o),
    "moderator, token": lambda url, **o: moderator(url, credential=Fake(TOKEN), **o),
}


def echoing(request: Any) -> Reply:
    """The service quotes all it was given, wherever it can."""
    sent = request.headers
    word = sent.get("authorization") or sent["ocp-apim-subscription-key"]
    everything = f"{word} {request.body.decode()}"
    return answer(
        {"error": {"code": word, "message": everything}, everything: everything},
        400,
        apim_request_id=word,
        x_ms_error_code=word.removeprefix("Bearer "),
    )


def echoing_fine(request: Any) -> Reply:
    """Names of categories and lists that are the text."""
    return answer(
        {
            "categoriesAnalysis": [{"category": TEXT, "severity": 0}],
            "blocklistsMatch": [{"blocklistName": TEXT}],
            "value": [{"category": TEXT, "score": 2, "detected": TEXT}],
        },
        apim_request_id="text-CANARY",
    )


#: Those that don't know how this key travels are played by ``echoing``.
PATHS: dict[str, Any] = {
    **{row: TABLE[row][0] for row in TABLE},
    **{row: reply for row, reply in ECHOES.items() if isinstance(reply, Reply)},
    "in the error": echoing,
    "in an answer": echoing_fine,
}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(status(500)) as server:
        yield server
        close_sessions()


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("path", PATHS)
def test_no_failing_path_shows_key_token_or_text(
    server: FaultServer,
    made: str,
    path: str,
    logged: list[str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    reply = PATHS[path]
    server.play(reply)
    slow = isinstance(reply, Reply) and (
        reply.drip or reply.delay or reply.then == "hang"
    )
    provider = MADE[made](server.url, **(HASTY if slow else {}))
    with pytest.raises(ProviderError) as caught:
        provider.analyze([TEXT], ["Hate"])
    error = caught.value
    assert error.__cause__ is error.__context__ is None
    assert len(seen_in(error.__traceback__, skip=1)) > 0
    out = capfd.readouterr()
    assert hits([*shown_by(error), out.out, out.err]) == []
    assert hits(logged) == []
    # The control: it was sent.
    assert "CANARY" in repr(server.requests[0].headers)
    assert b"CANARY" in server.requests[0].body


@pytest.mark.parametrize("made", MADE)
def test_what_is_kept_of_a_good_call_is_harmless(
    server: FaultServer, made: str, logged: list[str]
) -> None:
    fine = {
        "categoriesAnalysis": [{"category": "Hate", "severity": 0}],
        "customCategoryAnalysis": {"detected": False},
        "value": [{"category": "HateSpeech", "score": 0, "detected": False}],
    }
    server.play(answer(fine), status(429))
    provider = MADE[made](server.url)
    asked = ["Hate", custom()] if made.startswith("safety") else ["Hate"]
    try:
        provider.analyze([TEXT, TEXT], asked)
    except ProviderError as error:
        # With what is remembered of the first answer.
        assert hits(shown_by(error)) == []
    (client,) = [
        one for one in vars(provider).values() if type(one).__name__ == "Client"
    ]
    (interview,) = [
        one for one in vars(provider).values() if isinstance(one, Interview)
    ]
    shown = [repr(provider), provider.credential, client.fingerprint, *logged]
    for thing in (provider, client, interview):
        shown += [repr(value) for value in vars(thing).values()]
    assert hits(shown) == []
    for key in client._keys:
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(key)


def test_no_frame_of_a_failed_fetch_is_shown(
    server: FaultServer, logged: list[str]
) -> None:
    class Failing:
        def get_token(self, *scopes: str) -> Any:
            secret = TOKEN  # In this frame, and in the message.
            raise ValueError(f"{secret} {scopes}")

    with pytest.raises(ProviderError) as caught:
        safety(server.url, credential=Failing()).analyze([TEXT], ["Hate"])
    assert hits([*shown_by(caught.value), *logged]) == []
    # One that no header can hold is in nobody's message either.
    for token in (f"{TOKEN}\n", f"{TOKEN} {TOKEN}"):
        with pytest.raises(ProviderError) as caught:
            safety(server.url, credential=Fake(token)).analyze([TEXT], ["Hate"])
        assert hits([*shown_by(caught.value), *logged]) == []


@pytest.mark.parametrize(
    "options",
    [
        {"key": f"{KEY}\n"},
        {"key": f"{KEY} {KEY}"},
        {"second_key": f"{KEY}\t"},
        {"credential": KEY},
        {"endpoint": f"https://{KEY}@host"},
        {"endpoint": f"https://host/?key={KEY}"},
        {"endpoint": f"http://{KEY}/"},
        {"endpoint": f"{KEY}"},
        {"cloud": KEY},
        {"api_version": KEY},
        {"categories_api_version": KEY},
        {"levels": KEY},
        {"tier": KEY},
        {"blocklists": [f"{KEY} "]},
        {"overlap": KEY},
        {"read_timeout": KEY},
        {"blob_sas": KEY},
    ],
    ids=lambda options: next(iter(options)),
)
def test_a_refused_option_is_not_repeated(
    options: dict[str, Any], logged: list[str]
) -> None:
    with pytest.raises(InvalidProvider, match="Provider 'azure'") as caught:
        safety(**{"endpoint": "https://host", **options})
    # Of the frames, those below the helper that gave the options.
    shown = seen_in(caught.value.__traceback__, skip=2)
    assert shown
    assert hits([str(caught.value), repr(vars(caught.value)), *shown, *logged]) == []
