"""``moderate_text``: an answer now, or a reason why there is none; nothing stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from django_contentsafety import moderate_text
from django_contentsafety.exceptions import (
    ContentSafetyError,
    DeadlineExceeded,
    NetworkError,
    RateLimited,
    RefusedError,
)
from django_contentsafety.flows import calls
from django_contentsafety.flows.moderate import drain
from django_contentsafety.http import close_sessions, within
from django_contentsafety.models import (
    ModerationResult,
    ModerationState,
    Policy,
    PolicyRule,
    ProviderHealth,
)
from django_contentsafety.testing.fault_server import (
    FaultServer,
    Reply,
    answer,
    black_hole,
)
from tests.http.conftest import KEY
from tests.policies import make_policy, script, state_of
from tests.remotes import counted
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

#: An answer to the policy's one rule.
FINE = {
    "scores": [{"category": "Hate", "score": 0.0, "severity": 0, "detected": False}]
}
#: Seconds that a busy machine may add.
SLACK = 2.0


@pytest.fixture(autouse=True)
def live_policy() -> Policy:
    script()
    return make_policy()


@pytest.fixture
def server(settings: Any) -> Iterator[FaultServer]:
    """The default provider asks this one, and would wait for 30 s."""
    with FaultServer(answer(FINE)) as server:
        options = {"endpoint": server.url, "key": KEY}
        options |= {"connect_timeout": 5, "read_timeout": 20, "total_timeout": 30}
        settings.CONTENTSAFETY_PROVIDERS = {
            "default": {
                "BACKEND": "django_contentsafety.testing.remote.RemoteProvider",
                "OPTIONS": options,
            }
        }
        yield server
        close_sessions()


@pytest.mark.parametrize(
    ("text", "value"),
    [("fine", "allow"), ("dubious", "review"), ("bad", "block"), ("\ud800\0", "allow")],
)
def test_it_answers_and_stores_nothing(text: str, value: str) -> None:
    decision = moderate_text(text, policy="comments")
    assert decision.value == value
    assert bool(decision.reasons) == (value != "allow")
    assert not ModerationState.objects.exists()
    assert not ModerationResult.objects.exists()


def test_it_says_so_where_it_can_t_answer(live_policy: Policy) -> None:
    with pytest.raises(RefusedError, match="no policy 'nobody-s'"):
        moderate_text("x", policy="nobody-s")
    with pytest.raises(TypeError, match="not a bytes"):
        moderate_text(b"x", policy="comments")  # type: ignore[arg-type]
    PolicyRule.objects.all().delete()
    with pytest.raises(RefusedError, match="no rules"):
        moderate_text("bad", policy="comments")
    Policy.objects.update(mode="off")
    with pytest.raises(RefusedError, match="off"):
        moderate_text("bad", policy="comments")


def test_a_source_that_can_t_answer_is_never_an_allow(server: FaultServer) -> None:
    assert moderate_text("fine", policy="comments").value == "allow"
    server.play(Reply(status=500, body=b"no"))
    with pytest.raises(ContentSafetyError):
        moderate_text("fine", policy="comments")


def test_quota_holds_here_as_well(settings: Any) -> None:
    counted(settings, burst=2)
    script()
    for _ in range(2):
        moderate_text("fine", policy="comments")
    with pytest.raises(RateLimited) as caught:
        moderate_text("fine", policy="comments")
    assert caught.value.retry_after > 100


# --- The deadline -----------------------------------------------------------------

SLOW = {
    "silence": black_hole(),
    "drip": Reply(
        body=b" " * 5000, headers={"Content-Type": "application/json"}, drip=0.01
    ),
}


@pytest.mark.parametrize("case", SLOW)
def test_no_provider_holds_the_caller_longer(server: FaultServer, case: str) -> None:
    server.play(SLOW[case])
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        moderate_text("fine", policy="comments", deadline_ms=200)
    # The provider's own timeouts are at least 20 s.
    assert time.monotonic() - began < 0.2 + SLACK
    # The caller was in a hurry: that is not the provider's fault.
    assert not ProviderHealth.objects.exists()
    assert "fine" not in str(caught.value)


def test_without_a_deadline_the_provider_s_own_holds(server: FaultServer) -> None:
    server.play(Reply(delay=0.5, body=b"{}"))
    with pytest.raises(ContentSafetyError) as caught:
        moderate_text("fine", policy="comments")
    assert not isinstance(caught.value, DeadlineExceeded)


def test_time_that_is_over_asks_nobody(server: FaultServer) -> None:
    with pytest.raises(DeadlineExceeded):
        moderate_text("fine", policy="comments", deadline_ms=0)
    assert server.requests == []


def test_the_tighter_bound_holds() -> None:
    with within(60), within(None), within(0), pytest.raises(DeadlineExceeded):
        moderate_text("fine", policy="comments", deadline_ms=60_000)


def test_the_bound_ends_with_its_block(server: FaultServer) -> None:
    with pytest.raises(DeadlineExceeded):
        moderate_text("fine", policy="comments", deadline_ms=0)
    assert moderate_text("fine", policy="comments").value == "allow"


def test_a_deadline_reaches_requests_that_go_out_together(server: FaultServer) -> None:
    from django_contentsafety.providers import providers

    server.play(black_hole())
    began = time.monotonic()
    with within(0.2):
        answers = calls.analyze(providers["default"], ["a"] * 20, ["Hate"])
    assert time.monotonic() - began < 0.2 + SLACK
    assert not any(isinstance(answer, NetworkError) for answer in answers)
    assert isinstance(answers[0], DeadlineExceeded)


def test_an_inline_drain_gives_a_remote_provider_its_own_time(
    server: FaultServer, settings: Any
) -> None:
    """A site that lets saves wait for a service says for how long."""
    settings.CONTENTSAFETY_WAKE = "inline"
    Policy.objects.update(inline_ms=300)
    obj = Comment.objects.create(body="fine")
    assert state_of(obj).decision == "allow"
    server.play(black_hole())
    began = time.monotonic()
    late = Comment.objects.create(body="fine")
    assert time.monotonic() - began < 0.3 + SLACK
    state = state_of(late)
    assert (state.state, state.attempts) == ("pending", 0)
    assert not ProviderHealth.objects.exists()
    server.play(answer(FINE))
    assert drain("default").decided == 1
