"""AzureContentModerator: probabilities in any order, flat errors, and its quota."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import Any

import pytest

from django_contentsafety.exceptions import (
    AuthenticationFailed,
    ContentError,
    Gone,
    NotFound,
    ProtocolError,
    ProviderError,
    RateLimited,
    ServerError,
    UnsupportedFeature,
)
from django_contentsafety.http import close_sessions
from django_contentsafety.providers import explain_unanswerable
from django_contentsafety.testing.azure import AzureService
from django_contentsafety.testing.fault_server import (
    FaultServer,
    Reply,
    answer,
    body,
    status,
)
from django_contentsafety.verdicts import CategoryScore

from .asking import HARM, KEY, custom, moderator

#: As one was recorded, in its own order and spelling (azure-api.md §7).
RECORDED = b"""{"value":[
{"category":"SelfHarm","detected":false,"score":0.018460177,"modelOutputDetail":null,"diagnoses":null},
{"category":"Sexual","detected":false,"score":7.484918E-4,"modelOutputDetail":null,"diagnoses":null},
{"category":"Violence","detected":true,"score":0.99859494,"modelOutputDetail":null,"diagnoses":null},
{"category":"HateSpeech","detected":true,"score":0.0,"modelOutputDetail":null,"diagnoses":[]}]}"""


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(AzureService(words={"kill": {"Violence": 6}})) as server:
        yield server
        close_sessions()


def entry(category: Any = "HateSpeech", score: Any = 0.1, detected: Any = False) -> Any:
    return {"category": category, "score": score, "detected": detected}


def test_probabilities_stay_what_they_are(server: FaultServer) -> None:
    server.play(body(RECORDED, "application/json"))
    (verdict,) = moderator(server.url).analyze(["x"], HARM)
    assert verdict.scores == (
        CategoryScore(category="Hate", score=0.0, detected=True),
        CategoryScore(category="SelfHarm", score=0.018460177, detected=False),
        CategoryScore(category="Sexual", score=7.484918e-4, detected=False),
        CategoryScore(category="Violence", score=0.99859494, detected=True),
    )
    # Never a severity.
    assert all(score.severity is None for score in verdict.scores)
    (request,) = server.requests
    assert request.path == (
        "/contentmoderator/moderate/text/detect?api-version=2022-09-30-preview"
    )
    assert request.headers["ocp-apim-subscription-key"] == KEY
    assert request.data == {
        "text": "x",
        "categories": ["HateSpeech", "SelfHarm", "Sexual", "Violence"],
    }


def test_a_rule_on_severities_is_refused(settings: Any) -> None:
    path = "django_contentsafety.providers.azure_content_moderator"
    settings.CONTENTSAFETY_PROVIDERS = {
        "old": {
            "BACKEND": f"{path}.AzureContentModerator",
            "OPTIONS": {"endpoint": "https://host.example", "key": KEY},
        }
    }
    words = explain_unanswerable("old", "Hate", "severity", custom=False)
    assert words is not None
    assert "detected, score" in words
    for scale in ("score", "detected"):
        assert explain_unanswerable("old", "Hate", scale, custom=False) is None
    assert explain_unanswerable("old", "scam", "detected", custom=True) is not None


def test_a_long_text_goes_out_in_parts(server: FaultServer) -> None:
    provider = moderator(server.url)
    text = "fine words " * 1_000 + "to kill"
    assert provider.cost([text, "x"], ["Violence"]) == {"moderate": 3}
    (verdict,) = provider.analyze([text], ["Violence", "Hate"])
    parts = [request.data["text"] for request in server.requests]
    assert [len(part) <= 7_000 for part in parts] == [True, True]
    assert (verdict.scores[0].score, verdict.scores[0].detected) == (0.84, True)
    # Where nothing is detected, a probability's highest place means nothing.
    (span,) = verdict.spans
    assert text[span.start : span.end] == parts[1]
    assert span.category == "Violence"


def test_the_limit_is_in_code_points(server: FaultServer) -> None:
    provider = moderator(server.url)
    assert provider.cost(["😀" * 7_000], HARM) == {"moderate": 1}
    provider.analyze(["😀" * 7_001], HARM)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        ["HateSpeech"],
        [entry("Hate")],
        [entry(None)],
        [entry(score=None)],
        [entry(score="0.1")],
        [entry(score=True)],
        [entry(score=-0.1)],
        [entry(score=1.1)],
        [entry(detected=None)],
        [entry(detected=0)],
        [entry(), entry()],
    ],
)
def test_half_an_answer_is_none(server: FaultServer, value: Any) -> None:
    server.play(answer({"value": value}))
    with pytest.raises(ProtocolError):
        moderator(server.url).analyze(["x"], ["Hate"])


def test_what_nobody_asked_for_is_kept(server: FaultServer) -> None:
    entries = [entry(), entry("PII", 1.0), entry("Profanity", None, None)]
    server.play(answer({"value": entries}))
    (verdict,) = moderator(server.url).analyze(["x"], ["Hate"])
    assert [score.category for score in verdict.scores] == ["Hate"]
    assert verdict.raw["parts"][0]["scores"]["PII"] == 1.0


WRAPPED = {"error": {"code": "429", "message": "Try again in 5 seconds."}}
FLAT = {"code": "InvalidRequestBody", "message": "No."}
SPENT = {"statusCode": 403, "message": "Out of call volume quota."}


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (status(400, FLAT), ContentError, "InvalidRequestBody"),
        (status(400, {"error": FLAT}), ContentError, "InvalidRequestBody"),
        (status(401, {"error": {"code": "401"}}), AuthenticationFailed, "401"),
        (status(403, {"statusCode": 403}), AuthenticationFailed, ""),
        (status(403, SPENT), RateLimited, ""),
        (status(404), Gone, ""),
        (status(404, FLAT), NotFound, "InvalidRequestBody"),
        (status(429, WRAPPED), RateLimited, "429"),
        (status(429, {"statusCode": 429, "message": "Wait."}), RateLimited, ""),
        (status(500), ServerError, ""),
        (status(503, retry_after="9"), ServerError, ""),
        (status(504), ServerError, ""),
    ],
)
def test_each_error_is_its_class(
    server: FaultServer, reply: Reply, kind: type[ProviderError], code: str
) -> None:
    server.play(reply)
    with pytest.raises(ProviderError) as caught:
        moderator(server.url).analyze(["x"], HARM)
    assert type(caught.value) is kind
    assert caught.value.service_code == code


def test_a_bad_key_may_be_403_too() -> None:
    with FaultServer(AzureService(denied=403, key="another")) as server:
        with pytest.raises(AuthenticationFailed):
            moderator(server.url).analyze(["x"], HARM)
        close_sessions()


def test_it_has_no_custom_categories(server: FaultServer) -> None:
    with pytest.raises(UnsupportedFeature):
        moderator(server.url).analyze(["x"], ["Hate", custom()])
    assert server.requests == []


def test_its_quota_is_that_of_its_tier() -> None:
    free = moderator("https://host.example", tier="F0").limits["moderate"]
    paid = moderator("https://host.example").limits["moderate"]
    assert (free.per_month, paid.per_month) == (5_000, None)
    # Never more in a second than 1 and 10: what is there at once, and what comes.
    assert free.burst + floor(free.rate) == 1
    assert paid.burst + floor(paid.rate) == 10
