"""The small remote provider: its protocol, and the stories told with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from django_contentsafety.engine.samples import write_jsonl
from django_contentsafety.exceptions import (
    BuildFailed,
    NotFound,
    ProtocolError,
)
from django_contentsafety.flows import build
from django_contentsafety.flows.moderate import drain
from django_contentsafety.models import Category, DbNow, ModerationState
from django_contentsafety.providers import BuildRequest, CustomCategory
from django_contentsafety.testing.fault_server import (
    FaultServer,
    Reply,
    answer,
    body,
    redirect,
    reset,
    status,
)
from django_contentsafety.testing.service import Service
from django_contentsafety.verdicts import CategoryScore
from tests.engine.made_up import make_samples
from tests.policies import make_due, make_policy, state_of
from tests.testapp.models import Comment

from .conftest import ASKED, KEY, remote

REQUEST = BuildRequest(
    name="a-scam",
    version=3,
    definition="Scams.",
    samples=b'{"text": "x"}\n',
    operation_id="cs-1-abc",
)


def coded(code: int, name: str) -> Reply:
    return status(code, {"error": {"code": name}})


def test_a_verdict_has_what_the_service_said(server: FaultServer) -> None:
    server.play(Service(lambda text: 7 if "bad" in text else 0))
    scam = CustomCategory(name="scam", version=3, provider_version="p3", load=bytes)
    provider = remote(server.url)
    bad, fine = provider.analyze(["bad", "fine"], ["Hate", scam])
    assert bad.scores == (
        CategoryScore(category="Hate", score=1.0, severity=7, detected=True),
        CategoryScore(category="scam", score=1.0, severity=7, detected=True),
    )
    assert (fine.scores[0].severity, fine.versions) == (0, {"scam": 3})
    assert server.requests[0].data["categories"] == [
        "Hate",
        {"name": "scam", "version": "p3"},
    ]


def test_the_order_of_the_answer_does_not_matter(server: FaultServer) -> None:
    scores = [
        {"category": "Violence", "score": 1, "severity": 6, "detected": True},
        {"category": "Hate", "score": 0.5, "severity": 2, "detected": False, "new": 1},
    ]
    server.play(answer({"scores": scores, "more": {}}))
    (verdict,) = remote(server.url).analyze(["x"], ASKED)
    assert [score.category for score in verdict.scores] == ASKED
    assert [score.severity for score in verdict.scores] == [2, 6]


# Building.


def test_a_build_from_beginning_to_end(server: FaultServer) -> None:
    service = Service(polls=2)
    server.play(service)
    provider, heard = remote(server.url), list[float]()
    name = provider.register(REQUEST)
    provider.submit(REQUEST, name)
    states = [provider.poll(REQUEST, name, lambda *at: None) for _ in range(2)]
    heard = [state.fraction for state in states]
    assert [state.status for state in states] == ["running", "succeeded"]
    assert heard == [0.5, 1.0]
    assert [(r.method, r.path) for r in server.requests[:5]] == [
        ("GET", "/categories/a-scam/versions/3"),
        ("PUT", "/categories/a-scam/versions/3"),
        ("GET", "/operations/cs-1-abc"),
        ("GET", "/categories/a-scam/versions/3"),
        ("POST", "/builds"),
    ]


def test_what_was_done_already_is_not_done_twice(server: FaultServer) -> None:
    service = Service(polls=9)
    server.play(service)
    provider = remote(server.url)
    names = {provider.register(REQUEST) for _ in range(3)}
    for name in names:
        for _ in range(3):
            provider.submit(REQUEST, name)
    assert (len(names), service.builds) == (1, [REQUEST.operation_id])
    asked = [(r.method, r.path) for r in server.requests]
    assert asked.count(("PUT", "/categories/a-scam/versions/3")) == 1
    assert asked.count(("POST", "/builds")) == 1


def test_another_worker_may_be_quicker(server: FaultServer) -> None:
    from hashlib import sha256

    there = {
        "version": "9",
        "sha256": sha256(REQUEST.samples).hexdigest(),
        "status": "registered",
    }
    server.play(coded(404, "None"), coded(409, "Exists"), answer(there))
    assert remote(server.url).register(REQUEST) == "9"
    server.play(coded(404, "None"), answer(there), coded(409, "Exists"))
    remote(server.url).submit(REQUEST, "9")


def test_other_samples_under_its_number_are_not_adopted(server: FaultServer) -> None:
    server.play(answer({"version": "9", "sha256": "0" * 64}))
    with pytest.raises(BuildFailed, match="v3"):
        remote(server.url).register(REQUEST)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"status": None},
        {"status": "<script>"},
        {"status": "x" * 65},
        {"status": "running", "fraction": 2},
        {"status": "running", "fraction": "1"},
        {"status": "running", "fraction": True},
        {"status": "failed"},
        {"status": "failed", "code": "a sentence, which may quote"},
    ],
)
def test_a_state_that_is_none_is_refused(server: FaultServer, data: Any) -> None:
    server.play(answer(data))
    with pytest.raises(ProtocolError):
        remote(server.url).poll(REQUEST, "1", lambda *at: None)


def test_a_state_nobody_knows_is_kept_and_polled_on(server: FaultServer) -> None:
    server.play(answer({"status": "Warming up"}))
    state = remote(server.url).poll(REQUEST, "1", lambda *at: None)
    assert (state.status, state.raw_status) == ("running", "Warming up")


def test_a_failed_build_says_its_code(server: FaultServer) -> None:
    server.play(answer({"status": "failed", "code": "TooFewSamples"}))
    state = remote(server.url).poll(REQUEST, "1", lambda *at: None)
    assert (state.status, state.error) == (
        "failed",
        "The service could not build it (TooFewSamples).",
    )


def test_an_operation_that_is_gone_is_told(server: FaultServer) -> None:
    server.play(coded(404, "OperationNotFound"))
    with pytest.raises(NotFound):
        remote(server.url).poll(REQUEST, "1", lambda *at: None)


# The stories.


@pytest.fixture
def configured(server: FaultServer, settings: Any) -> FaultServer:
    settings.CONTENTSAFETY_PROVIDERS = {
        "default": {
            "BACKEND": "django_contentsafety.testing.remote.RemoteProvider",
            "OPTIONS": {"endpoint": server.url, "key": KEY},
        }
    }
    return server


@pytest.mark.django_db(transaction=True)
def test_texts_are_decided_by_what_the_service_says(configured: FaultServer) -> None:
    make_policy()
    configured.play(Service(lambda text: 7 if "bad" in text else 0))
    bad = Comment.objects.create(body="bad")
    fine = Comment.objects.create(body="fine")
    assert drain("default").decided == 2
    assert (state_of(bad).decision, state_of(fine).decision) == ("block", "allow")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fault", "code", "free", "least", "most"),
    [
        (reset(), "network", False, 0, 4),
        (status(500), "server", False, 0, 4),
        (status(503, retry_after="60"), "server", False, 50, 60),
        (status(429, retry_after="30"), "throttle", True, 20, 30),
        (body(b"{}", "text/html"), "protocol", False, 0, 4),
        (status(401), "config", True, 290, 300),
        (redirect("/"), "config", True, 290, 300),
        (coded(404, "NoSuchCategory"), "missing", True, 290, 300),
        (status(410), "gone", True, 290, 300),
    ],
    ids=["reset", "500", "503", "429", "page", "401", "302", "404", "410"],
)
def test_a_fault_leaves_the_text_pending(
    configured: FaultServer,
    fault: Reply,
    code: str,
    free: bool,
    least: float,
    most: float,
) -> None:
    make_policy()
    configured.play(fault)
    comment = Comment.objects.create(body="fine")
    drain("default")
    state = state_of(comment)
    assert (state.state, state.last_error_code) == ("pending", code)
    assert state.attempts == (0 if free else 1)
    assert not state.decision
    states = ModerationState.objects.filter(pk=state.pk)
    assert states.filter(
        available_at__gte=DbNow() + timedelta(seconds=least - 5),
        available_at__lte=DbNow() + timedelta(seconds=most),
    ).exists()


@pytest.mark.django_db(transaction=True)
def test_a_refused_text_goes_to_a_person(configured: FaultServer) -> None:
    make_policy()
    configured.play(status(400, {"error": {"code": "InvalidRequestBody"}}))
    comment = Comment.objects.create(body="fine")
    make_due("default")
    drain("default")
    assert state_of(comment).exhausted_reason == "content"
    assert not ModerationState.objects.filter(decision="allow").exists()


@pytest.mark.django_db(transaction=True)
def test_a_category_is_built_by_the_service(configured: FaultServer) -> None:
    service = Service(polls=1)
    configured.play(service)
    category = Category.objects.create(name="scam", definition="Scams.")
    samples = write_jsonl(make_samples(20, 20))
    build.import_samples(category, samples, filename="s.jsonl", by="ann")
    version = build.freeze(category, by="ann")
    job = build.run(build.start(version, by="ann"))
    assert (job.status, service.builds) == ("succeeded", [job.operation_id])
    version.refresh_from_db()
    build.activate(version, by="ann")
    assert (version.status, version.provider_version) == ("ready", "1")
