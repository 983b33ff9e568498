"""Incidents at the scripted Azure: made, filled, deployed, asked and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings as examples, strategies as st

from django_contentsafety.engine.samples import Sample, write_jsonl
from django_contentsafety.exceptions import (
    BuildFailed,
    Gone,
    InvalidProvider,
    NotFound,
    UnsupportedFeature,
)
from django_contentsafety.flows import build
from django_contentsafety.providers import CustomCategory, providers
from django_contentsafety.providers.azure.common import CATEGORY_NAME
from django_contentsafety.providers.azure.deployments import incident_name
from django_contentsafety.providers.azure_incidents import AzureIncidents
from django_contentsafety.testing.fault_server import status
from django_contentsafety.testing.trainer import Fault
from tests.building import settle

from .blobs import build_request
from .lives import World, freeze, world
from .plain import KEY, NEWER, OLDER

pytestmark = pytest.mark.django_db


def jsonl(*texts: str, negative: str = "Fine.") -> bytes:
    samples = [Sample(text=text, is_positive=True) for text in texts]
    return write_jsonl([*samples, Sample(text=negative, is_positive=False)])


@pytest.fixture
def site(settings: Any) -> Iterator[World]:
    with world(settings, NEWER) as site:
        yield site


@pytest.fixture
def provider(site: World) -> Any:
    return providers["incidents"]


def nothing(phase: str, fraction: float) -> None:
    """Progress that nobody looks at."""


def deployed(provider: Any, name: str, number: int, *texts: str) -> CustomCategory:
    request = build_request(
        number, name=name, samples=jsonl(*texts), operation_id=f"cs-{name}-{number}"
    )
    incident = provider.register(request)
    provider.submit(request, incident)
    assert provider.poll(request, incident, nothing).status == "succeeded"
    return CustomCategory(
        name=name, version=number, provider_version=incident, load=bytes
    )


# --- Names -------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?", fullmatch=True)


@examples(max_examples=50)
@given(NAMES, st.integers(1, 2**31 - 1))
def test_every_version_has_a_name_that_azure_takes(name: str, number: int) -> None:
    incident = incident_name(name, number)
    assert CATEGORY_NAME.fullmatch(incident)
    assert incident.endswith(f"-v{number}")
    assert incident == incident_name(name, number)


def test_long_names_stay_apart() -> None:
    names = {incident_name("n" * 63 + last, 1) for last in "abc"}
    assert len(names) == 3
    assert incident_name("scam", 2) == "scam-v2"


# --- Built -------------------------------------------------------------------------


def test_only_positive_samples_are_sent(site: World, provider: Any) -> None:
    deployed(provider, "scam", 1, "send coins", "claim a prize")
    assert site.azure.state.incidents["scam-v1"].deployed == [
        "send coins",
        "claim a prize",
    ]


def test_it_is_made_as_the_specification_says(site: World, provider: Any) -> None:
    """Merge-patch, which the documents' own examples leave out."""
    provider.register(build_request(samples=jsonl("send coins")))
    (sent,) = [one for one in site.server.requests if one.method == "PATCH"]
    assert sent.headers["content-type"] == "application/merge-patch+json"
    assert sent.data == {"incidentName": "scam-v1", "incidentDefinition": "Scams."}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"definition": "Other."}, "another definition"),
        ({"samples": jsonl("other")}, "other samples"),
    ],
)
def test_an_incident_of_somebody_else_is_left_alone(
    site: World, provider: Any, changes: Any, words: str
) -> None:
    provider.register(build_request(samples=jsonl("send coins")))
    request = build_request(**{"samples": jsonl("send coins"), **changes})
    with pytest.raises(BuildFailed, match=words):
        provider.register(request)
    (held,) = site.azure.state.incidents.values()
    assert list(held.samples.values()) == ["send coins"]
    assert held.definition == "Scams."


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (jsonl("x" * 501), "Sample 1 has 501 characters"),
        (jsonl(*(f"sample {n}" for n in range(1001))), "at most 1000"),
        (jsonl(), "no positive samples"),
        (b"{", "Line 1"),
    ],
)
def test_samples_that_azure_would_not_take(
    site: World, provider: Any, samples: bytes, words: str
) -> None:
    with pytest.raises(BuildFailed, match=words):
        provider.register(build_request(samples=samples))
    assert not any(one.samples for one in site.azure.state.incidents.values())


def test_longest_samples_in_characters_not_bytes(site: World, provider: Any) -> None:
    deployed(provider, "scam", 1, "🪙" * 500)


def test_what_samples_lack(provider: Any) -> None:
    assert provider.lacks(1, 0, 10) == provider.lacks(1000, 9, 10**6) == []
    assert "at least 1 positive" in provider.lacks(0, 3, 10)[0]
    (words,) = provider.lacks(1001, 3, 10)
    assert "at most 1000 positive samples" in words
    assert "negative ones are not used" in words


def test_a_deployment_that_failed_says_why(settings: Any) -> None:
    error = ("Whatever", "The samples are too alike.")
    with world(settings, NEWER, script=["failed"], error=error):
        job = build.run(build.start(freeze("incidents"), by="7"))
    assert job.status == "failed"
    assert job.error_message == (
        "The service could not deploy it (The samples are too alike.)."
    )


def test_an_unknown_word_is_polled_on(settings: Any) -> None:
    with world(settings, NEWER, script=["Warming up", "succeeded"]):
        job = build.run(build.start(freeze("incidents"), by="7"))
        assert (job.status, job.raw_status) == ("building", "Warming up")
        settle()
        job.refresh_from_db()
        assert job.status == "succeeded"


def test_a_forgotten_deployment_is_known_by_what_it_finds(
    site: World, provider: Any
) -> None:
    request = build_request(samples=jsonl("send coins"))
    incident = provider.register(request)
    with pytest.raises(NotFound, match="no deployment of v1"):
        provider.poll(request, incident, nothing)
    provider.submit(request, incident)
    assert provider.poll(request, incident, nothing).status == "succeeded"
    site.azure.forget_operations()
    assert provider.poll(request, incident, nothing).status == "succeeded"
    assert site.azure.state.deployments == {"scam-v1": 1}


# --- Asked -------------------------------------------------------------------------


def test_all_of_them_in_one_request(site: World, provider: Any) -> None:
    asked = [
        deployed(provider, "scam", 1, "send coins"),
        deployed(provider, "spam", 3, "buy pills"),
        deployed(provider, "hoax", 1, "the earth is flat"),
    ]
    before = site.azure.state.calls["detect incidents"]
    texts = ["Please send coins or buy pills", "hello"]
    assert provider.cost(texts, asked) == {"incidents": 2}
    first, second = provider.analyze(texts, asked)
    assert site.azure.state.calls["detect incidents"] == before + 2
    assert {one.category: one.detected for one in first.scores} == {
        "scam": True,
        "spam": True,
        "hoax": False,
    }
    assert not any(one.detected for one in second.scores)
    assert first.versions == {"scam": 1, "spam": 3, "hoax": 1}
    assert set(provider.limits) == {"incidents"}


def test_a_long_text_is_asked_about_in_parts(site: World, provider: Any) -> None:
    asked = [deployed(provider, "scam", 1, "send coins")]
    text = "🪙 " * 8_000 + "send coins" + " end" * 10
    assert provider.cost([text], asked) == {"incidents": 2}
    (verdict,) = provider.analyze([text], asked)
    assert verdict.scores[0].detected is True
    (span,) = verdict.spans
    assert text[span.start : span.end].count("send coins") == 1


def test_harm_categories_are_anothers_business(provider: Any) -> None:
    with pytest.raises(UnsupportedFeature, match="AzureContentSafety"):
        provider.analyze(["x"], ["Hate"])


# --- An incident that is there already ---------------------------------------------


def test_samples_are_added_and_removed(site: World, provider: Any) -> None:
    deployed(provider, "scam", 1, "send coins")
    texts = [f"sample {number}" for number in range(150)]
    assert provider.add_samples("scam-v1", ["send coins", *texts]) == 150
    assert provider.add_samples("scam-v1", texts) == 0
    held = provider.samples("scam-v1")
    assert sorted(held.values()) == sorted(["send coins", *texts])
    ids = [key for key, text in held.items() if text != "send coins"]
    site.azure.fail("remove samples", Fault(status(500), acts=True))
    with pytest.raises(Exception, match="500"):
        provider.remove_samples("scam-v1", ids)
    provider.remove_samples("scam-v1", ids)
    assert list(provider.samples("scam-v1").values()) == ["send coins"]
    operation = provider.deploy("scam-v1")
    assert provider.deployment(operation).status == "succeeded"
    with pytest.raises(NotFound):
        provider.deployment("cs-deploy-0")
    with pytest.raises(BuildFailed, match="501"):
        provider.add_samples("scam-v1", ["x" * 501])


def test_the_catalog(settings: Any) -> None:
    with world(settings, NEWER, page_size=2):
        provider = providers["incidents"]
        for number in (1, 2):
            deployed(provider, "scam", number, "send coins")
        provider.register(
            build_request(name="hoax", samples=jsonl("the earth is flat"))
        )
        found = provider.catalog()
    assert {(one.name, one.provider_version) for one in found} == {
        ("scam", "scam-v1"),
        ("scam", "scam-v2"),
        ("hoax", "hoax-v1"),
    }
    assert {one.status for one in found} == {"ready"}


def test_an_older_version_of_the_api_has_none() -> None:
    with pytest.raises(InvalidProvider, match="has no incidents"):
        AzureIncidents(
            "incidents", endpoint="https://x.example", key=KEY, api_version=OLDER
        )


def test_a_service_that_has_gone(settings: Any) -> None:
    with (
        world(settings, NEWER, retired=[NEWER]),
        pytest.raises(Gone, match="api_version"),
    ):
        providers["incidents"].catalog()
