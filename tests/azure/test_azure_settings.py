"""What Azure's providers may be configured with, and what a system check says."""

from __future__ import annotations

import inspect
from math import floor
from pathlib import Path
from typing import Any

import pytest

from django_contentsafety.checks import check_providers
from django_contentsafety.conf import provider_from_url
from django_contentsafety.exceptions import InvalidProvider
from django_contentsafety.providers import Provider, providers
from django_contentsafety.providers.azure.common import DIALECTS, SUPPORTED, VERSIONS
from django_contentsafety.providers.azure_content_moderator import (
    AzureContentModerator,
)
from django_contentsafety.providers.azure_content_safety import AzureContentSafety
from django_contentsafety.providers.azure_incidents import AzureIncidents

from .asking import KEY, NEWER, OLDER, custom, moderator, safety
from .test_tokens import Fake

HOST = "https://name.cognitiveservices.azure.com"
CONTENT_SAFETY = (
    "django_contentsafety.providers.azure_content_safety.AzureContentSafety"
)


def ids(options: dict[str, Any]) -> list[str]:
    return [message.id for message in safety(HOST, **options).check()]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": "two words"}, "key has white space"),
        ({"key": f"{KEY}\n"}, "key has white space"),
        ({"key": ""}, "has no key"),
        ({"key": None}, "neither a key nor a credential"),
        ({"second_key": "two words"}, "key has white space"),
        ({"endpoint": "http://name.cognitiveservices.azure.com"}, "endpoint must"),
        ({"endpoint": "name.cognitiveservices.azure.com"}, "endpoint needs"),
        ({"endpoint": ""}, "endpoint is no URL"),
        ({"endpoint": None}, "endpoint is no URL"),
        ({"endpoint": f"{HOST}/contentsafety"}, "endpoint ends in /contentsafety"),
        ({"endpoint": f"{HOST}/contentsafety/"}, "endpoint ends in /contentsafety"),
        ({"endpoint": f"{HOST}/?x=1"}, "endpoint"),
        ({"api_version": "latest"}, "api_version must be a date"),
        ({"api_version": "2024-09-01 "}, "api_version must be a date"),
        ({"api_version": None}, "api_version must be a date"),
        ({"categories_api_version": "2024-09-01"}, "categories_api_version must"),
        ({"categories_api_version": ""}, "categories_api_version must"),
        ({"blob_sas": "sig=x"}, "no blob_container"),
        ({"levels": 8}, "levels must be one of four, eight"),
        ({"tier": "S1"}, "tier must be one of F0, S0"),
        ({"cloud": "germany"}, "cloud must be one of public, usgov, china"),
        ({"blocklists": ["a list"]}, "blocklists must be names"),
        ({"blocklists": "a/b"}, "blocklists must be names"),
        ({"blocklists": {"a": 1}}, "blocklists must be names"),
        ({"halt_on_blocklist_hit": "yes"}, "halt_on_blocklist_hit must be True"),
        ({"blocklist_decision": "allow"}, "blocklist_decision must be one of"),
        ({"overlap": -1}, "overlap must be a whole number"),
        ({"overlap": 2_501}, "overlap must be a whole number from 0 to 2500"),
        ({"overlap": True}, "overlap must be a whole number"),
        ({"custom_overlap": "251"}, "custom_overlap must be a whole number"),
        ({"read_timeout": "soon"}, "read timeout must be"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidProvider, match="Provider 'azure'") as caught:
        safety(**{"endpoint": HOST, "key": KEY, **options})
    assert words in str(caught.value)
    # A check says the same, and stops Django's commands.
    assert KEY not in str(caught.value)


def test_a_refused_option_is_a_system_check(settings: Any) -> None:
    settings.CONTENTSAFETY_PROVIDERS = {
        "default": {
            "BACKEND": CONTENT_SAFETY,
            "OPTIONS": {"endpoint": "http://host.example", "key": KEY},
        }
    }
    (message,) = check_providers()
    assert message.id == "contentsafety.E011"
    assert "endpoint must begin with https://" in message.msg


def test_a_provider_from_a_url(settings: Any) -> None:
    """Every option of a URL is text."""
    settings.CONTENTSAFETY_PROVIDERS = {
        "default": provider_from_url(
            "azure://name.cognitiveservices.azure.us?cloud=usgov&tier=F0&levels=eight"
            "&blocklists=one,two&halt_on_blocklist_hit=true&overlap=100"
            "&custom_overlap=10&read_timeout=5",
            key=KEY,
        )
    }
    provider: Any = providers["default"]
    assert provider.limits["text"].burst == 2
    assert provider.cost(["x" * 10_001], ["Hate"]) == {"text": 2}
    assert list(check_providers()) == []
    settings.CONTENTSAFETY_PROVIDERS = {
        "default": provider_from_url(
            "azure://name.cognitiveservices.azure.com?credential=default"
        )
    }
    assert providers["default"].credential


def test_a_content_moderator_from_a_url(settings: Any) -> None:
    settings.CONTENTSAFETY_PROVIDERS = {
        "default": provider_from_url(
            "azure-moderator://name.cognitiveservices.azure.com?tier=F0", key=KEY
        )
    }
    provider: Any = providers["default"]
    assert provider.limits["moderate"].per_month == 5_000
    assert [message.id for message in check_providers()] == ["contentsafety.W016"]


def test_the_settings_that_work_are_quiet() -> None:
    assert ids({}) == []
    assert ids({"credential": Fake("x")}) == []
    assert ids({"api_version": NEWER}) == []
    assert safety("http://127.0.0.1:1").check() == []


@pytest.mark.parametrize("version", sorted({*VERSIONS} - {*SUPPORTED}))
def test_a_withdrawn_version_says_since_when_and_what_to_use(version: str) -> None:
    (message,) = safety(HOST, api_version=version).check()
    assert message.id == "contentsafety.W014"
    assert version in message.msg
    assert "1 March 2025" in message.msg
    assert "2024-09-01" in (message.hint or "")


def test_a_version_nobody_knows_is_a_warning() -> None:
    (message,) = safety(HOST, api_version="2027-01-01").check()
    assert message.id == "contentsafety.W013"
    assert "2027-01-01" in message.msg
    assert "2024-09-01" in (message.hint or "")


@pytest.mark.parametrize("version", DIALECTS)
def test_retired_custom_categories_say_what_takes_their_place(version: str) -> None:
    container = {
        "blob_container": "https://account.blob.core.windows.net/samples",
        "blob_credential": Fake("x"),
    }
    provider = safety(HOST, categories_api_version=version, **container)
    (message,) = provider.check()
    assert message.id == "contentsafety.W015"
    assert "1 September 2026" in message.msg
    assert ("1 March 2025" in message.msg) is (version not in SUPPORTED)
    assert "AzureIncidents" in (message.hint or "")
    assert safety(HOST, categories_api_version=version).check() == []


def test_the_content_moderator_says_when_it_ends() -> None:
    (message,) = moderator(HOST).check()
    assert message.id == "contentsafety.W016"
    assert "February 2027" in message.msg


@pytest.mark.parametrize(
    ("endpoint", "options", "id"),
    [
        ("https://eastus.api.cognitive.microsoft.com", {}, ""),
        (
            "https://eastus.api.cognitive.microsoft.com",
            {"credential": "default"},
            "E014",
        ),
        ("https://name.cognitiveservices.azure.us", {}, "E015"),
        ("https://name.cognitiveservices.azure.us", {"cloud": "usgov"}, ""),
        ("https://name.cognitiveservices.azure.cn", {"cloud": "usgov"}, "E015"),
        ("https://gateway.example/content", {}, ""),
    ],
)
def test_an_endpoint_that_does_not_fit(
    endpoint: str, options: dict[str, Any], id: str
) -> None:
    found = [message.id for message in safety(endpoint, **options).check()]
    assert found == ([f"contentsafety.{id}"] if id else [])


def test_a_path_of_a_gateway_stays() -> None:
    provider = safety("https://gateway.example/base/")
    assert provider.client.endpoint == "https://gateway.example/base/contentsafety"


@pytest.mark.parametrize(
    ("tier", "feature", "requests", "seconds"),
    [
        ("F0", "text", 5, 1),
        ("S0", "text", 1_000, 10),
        ("F0", "custom", 5, 1),
        ("S0", "custom", 5, 1),
        ("F0", "incidents", 5, 1),
        ("S0", "incidents", 1_000, 10),
    ],
)
def test_no_window_gets_more_than_it_takes(
    tier: str, feature: str, requests: int, seconds: float
) -> None:
    limit = safety(HOST, tier=tier).limits[feature]
    # What is there at once, and whole requests that are granted again meanwhile.
    assert limit.burst + floor(limit.rate * seconds) <= requests
    # And not much less, in the long run.
    assert limit.rate * seconds >= requests * 0.75


@pytest.mark.parametrize(
    "kind", [AzureContentSafety, AzureIncidents, AzureContentModerator]
)
def test_every_option_is_documented_with_its_default(kind: type[Provider]) -> None:
    document = Path(__file__).parents[2] / "docs" / "howto" / "azure.md"
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in document.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    text = "\n".join(cells[0] for cells in rows)
    for name, parameter in inspect.signature(kind).parameters.items():
        if name == "alias":
            continue
        assert f"`{name}`" in text, name
        shown = {cells[1] for cells in rows if f"`{name}`" in cells[0]}
        default = parameter.default
        if isinstance(default, str | int) and kind is not AzureIncidents:
            assert shown & {f"`{default}`", f"{default}"}, name


def test_another_credential_is_another_account() -> None:
    """A breaker that waits for another configuration hears of it."""
    every = [
        safety(HOST),
        safety(HOST, key="another"),
        safety("https://other.cognitiveservices.azure.com"),
        safety(HOST, api_version=NEWER),
        safety(HOST, categories_api_version=OLDER),
        safety(HOST, credential="default"),
        safety(HOST, credential="managed_identity"),
    ]
    assert len({provider.credential for provider in every}) == len(every)
    assert all(len(provider.credential) == 16 for provider in every)
    assert safety(HOST).credential == safety(HOST, second_key="other").credential


def test_an_overlap_costs_what_it_says() -> None:
    text = "x" * 25_000
    provider = safety(HOST, custom_overlap=250, overlap=2_500)
    assert provider.cost([text], ["Hate", custom()]) == {"text": 3, "custom": 33}
    provider = safety(HOST, overlap=0)
    assert provider.cost(["x" * 30_000], ["Hate"]) == {"text": 3}
    assert safety(HOST).cost(["x" * 30_000], ["Hate"]) == {"text": 4}
