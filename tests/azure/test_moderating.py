"""Texts are moderated by Azure, within its quota and over its bad days."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_contentsafety.flows.moderate import drain
from django_contentsafety.http import close_sessions
from django_contentsafety.models import (
    DbNow,
    ModerationResult,
    ModerationState,
    ProviderBudget,
)
from django_contentsafety.providers import providers
from django_contentsafety.testing.azure import AzureService
from django_contentsafety.testing.azure.state import Blocklist, Item
from django_contentsafety.testing.fault_server import FaultServer
from tests.policies import make_due, make_policy, state_of
from tests.testapp.models import Comment

from .asking import KEY, PATIENT

pytestmark = pytest.mark.django_db(transaction=True)

CONTENT_SAFETY = (
    "django_contentsafety.providers.azure_content_safety.AzureContentSafety"
)


class Clock:
    """Seconds, as the test wants them."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def azure() -> AzureService:
    return AzureService(key=KEY, words={"hate": {"Hate": 6}}, tier="F0", clock=Clock())


@pytest.fixture
def options(azure: AzureService, settings: Any) -> Iterator[dict[str, Any]]:
    """The provider's; after a change of them it is made anew."""
    settings.CONTENTSAFETY_WAKE = "none"
    with FaultServer(azure) as server:
        options = {"endpoint": server.url, "key": KEY, "tier": "F0", **PATIENT}
        settings.CONTENTSAFETY_PROVIDERS = {
            "default": {"BACKEND": CONTENT_SAFETY, "OPTIONS": options}
        }
        make_policy()
        yield options
        close_sessions()


def later(azure: AzureService) -> None:
    """A second passes for the service, and whatever waits is due."""
    clock: Any = azure._rates._clock
    clock.now += 1
    ProviderBudget.objects.update(paused_until=None, arrival_at=DbNow())
    make_due("default")


@pytest.mark.usefixtures("options")
def test_a_text_is_decided_by_its_severity() -> None:
    fine = Comment.objects.create(body="fine")
    bad = Comment.objects.create(body="I hate")
    while drain("default").decided:
        ProviderBudget.objects.update(arrival_at=DbNow())
    assert (state_of(fine).decision, state_of(bad).decision) == ("allow", "block")


@pytest.mark.usefixtures("options")
def test_a_text_of_more_requests_than_a_second_takes_is_answered(
    azure: AzureService,
) -> None:
    """Nothing sleeps: each try goes on where the one before was told to wait."""
    comment = Comment.objects.create(body="word " * 22_700 + "hate")
    tries = 0
    while state_of(comment).state != "done" and tries < 5:
        drain("default")
        later(azure)
        tries += 1
    state = state_of(comment)
    assert (state.decision, state.attempts, tries) == ("block", 1, 3)
    # Each part was asked about once.
    assert azure.state.calls["analyze"] == 12
    (result,) = ModerationResult.objects.all()
    (span,) = result.spans
    assert comment.body[span["start"] : span["end"]].endswith("hate")
    assert span["field"] == "body"


def test_a_blocklist_of_the_service_blocks(
    azure: AzureService, options: dict[str, Any]
) -> None:
    options |= {"blocklists": "bad", "halt_on_blocklist_hit": True}
    providers.reset()
    azure.state.blocklists["bad"] = Blocklist(
        name="bad", items={"1": Item(id="1", text="gizmo")}
    )
    comment = Comment.objects.create(body="a gizmo")
    drain("default")
    assert state_of(comment).decision == "block"
    (result,) = ModerationResult.objects.all()
    (hit,) = result.hits
    assert (hit["blocklist"], hit["start"], hit["end"]) == ("bad", 2, 7)
    # Not the item's words, which are in the text.
    assert "gizmo" not in repr((result.hits, result.raw))


def test_a_halting_hit_for_review_is_no_allow(
    azure: AzureService, options: dict[str, Any]
) -> None:
    options |= {
        "blocklists": ["bad"],
        "halt_on_blocklist_hit": True,
        "blocklist_decision": "review",
    }
    providers.reset()
    azure.state.blocklists["bad"] = Blocklist(
        name="bad", items={"1": Item(id="1", text="gizmo")}
    )
    comment = Comment.objects.create(body="a gizmo")
    drain("default")
    assert state_of(comment).decision == "review"


@pytest.mark.usefixtures("options")
def test_a_version_that_was_retired_decides_nothing(azure: AzureService) -> None:
    azure.retired = frozenset({"2024-09-01"})
    comment = Comment.objects.create(body="fine")
    drain("default")
    state = state_of(comment)
    assert (state.state, state.decision, state.last_error_code) == (
        "pending",
        "",
        "gone",
    )
    assert not ModerationState.objects.filter(decision="allow").exists()
