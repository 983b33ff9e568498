"""Every provider, each beside a service that answers it as it should.

A provider without its entry in ``PARTIES`` fails ``test_every_provider_is_here``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django_contentsafety.decisions import Rule
from django_contentsafety.engine import artifacts, classifier
from django_contentsafety.providers import CustomCategory, Provider
from django_contentsafety.providers.azure_content_moderator import (
    AzureContentModerator,
)
from django_contentsafety.providers.azure_content_safety import AzureContentSafety
from django_contentsafety.providers.azure_incidents import AzureIncidents
from django_contentsafety.providers.base import Asked
from django_contentsafety.providers.dummy import DummyProvider
from django_contentsafety.providers.local import LocalProvider
from django_contentsafety.testing.azure import AzureService, State
from django_contentsafety.testing.azure.samples import any_samples
from django_contentsafety.testing.azure.state import Incident, Version
from django_contentsafety.testing.fault_server import Script
from django_contentsafety.testing.remote import RemoteProvider
from django_contentsafety.testing.service import Service
from django_contentsafety.verdicts import HarmCategory, Scale
from tests.building import PATIENT
from tests.engine.made_up import NEGATIVE, POSITIVE, make_samples

KEY = "k3yCANARYk3yCANARYk3yCANARYk3yCANARY"
ALIAS = "party"
HARM = list(HarmCategory.values)
BAD, FINE = "zugbad CANARY", "a fine CANARY text"

#: What the services find. No text of these tests has one of the words by chance.
WORDS = {
    "zugbad": {
        **dict.fromkeys(HARM, 6),
        "scam": 6,
        "raid": 6,
    }
}
RULES = {
    Scale.SCORE.value: (0.5, 0.9),
    Scale.SEVERITY.value: (4, 6),
    Scale.DETECTED.value: (1, None),
}


@dataclass(frozen=True)
class Party:
    """A provider, what it is asked, and who answers it."""

    #: From an endpoint and further options.
    make: Callable[..., Provider]
    asked: list[Asked]
    #: None = it leaves this process for nothing.
    service: Callable[[], Script] | None = None
    #: By category, the scale that a policy goes by.
    scales: Mapping[str, str] = field(default_factory=dict)
    bad: str = BAD
    fine: str = FINE

    @property
    def names(self) -> list[str]:
        return [one if isinstance(one, str) else one.name for one in self.asked]

    @property
    def versions(self) -> dict[str, int]:
        return {one.name: one.version for one in self.asked if not isinstance(one, str)}

    @property
    def rules(self) -> list[Rule]:
        return [
            Rule(
                provider=ALIAS,
                category=name,
                scale=scale,
                review_at=RULES[scale][0],
                block_at=RULES[scale][1],
            )
            for name, scale in self.scales.items()
        ]


def custom(name: str, provider_version: str) -> CustomCategory:
    return CustomCategory(
        name=name, version=7, provider_version=provider_version, load=bytes
    )


def azure() -> AzureService:
    """With a version that was built, and an incident that was deployed."""
    version = Version(
        name="scam",
        number=2,
        definition="Scams.",
        blob_url="",
        copy_url="",
        created="",
        samples=any_samples(""),
        status="succeeded",
    )
    raid = Incident(
        name="raid",
        definition="A raid.",
        created="",
        updated="",
        deployed=[],
        status="succeeded",
    )
    state = State(versions={"scam": {2: version}}, incidents={"raid": raid})
    return AzureService(key=KEY, words=WORDS, state=state)


def severity(text: str) -> int:
    return 7 if "zugbad" in text else 0


@cache
def artifact() -> bytes:
    """Of a category that finds the made-up words."""
    trained = classifier.train(make_samples(25, 25), seed=0, progress=lambda *at: None)
    return artifacts.dump(trained.head, name="scam", version=7)


def local(**options: Any) -> LocalProvider:
    return LocalProvider(ALIAS)


def dummy(**options: Any) -> DummyProvider:
    return DummyProvider(
        ALIAS,
        script=lambda text: {"Hate": 6, "scam": True} if "zugbad" in text else {},
    )


def remote(kind: Callable[..., Provider], **own: Any) -> Callable[..., Provider]:
    def make(endpoint: str, **options: Any) -> Provider:
        given = {"endpoint": endpoint, "key": KEY, **PATIENT, **own, **options}
        return kind(ALIAS, **given)

    return make


def _safety(*asked: Asked, **options: Any) -> Party:
    names = [one if isinstance(one, str) else one.name for one in asked]
    return Party(
        make=remote(AzureContentSafety, **options),
        asked=list(asked),
        service=azure,
        scales={name: "severity" if name in HARM else "detected" for name in names},
    )


PARTIES = {
    "dummy": Party(
        make=dummy,
        asked=["Hate", custom("scam", "1")],
        scales={"Hate": "severity", "scam": "detected"},
    ),
    "local": Party(
        make=local,
        asked=[
            CustomCategory(
                name="scam", version=7, provider_version="contract", load=artifact
            )
        ],
        scales={"scam": "score"},
        bad=" ".join(POSITIVE[:5]),
        fine=" ".join(NEGATIVE[:5]),
    ),
    "remote": Party(
        make=remote(RemoteProvider),
        asked=["Hate", "Violence", custom("scam", "p7")],
        service=lambda: Service(severity),
        scales={"Hate": "severity", "Violence": "score", "scam": "detected"},
    ),
    "Content Safety": _safety(*HARM),
    "Content Safety, eight levels": _safety("Hate", "Violence", levels="eight"),
    "Content Safety, older dialect": _safety(
        "Hate",
        "SelfHarm",
        custom("scam", "2"),
        categories_api_version="2024-05-15-preview",
    ),
    "Content Safety, newer dialect": _safety(
        "Hate",
        custom("scam", "2"),
        categories_api_version="2024-09-15-preview",
    ),
    "Incidents": Party(
        make=remote(AzureIncidents),
        asked=[custom("raid", "raid")],
        service=azure,
        scales={"raid": "detected"},
    ),
    "Content Moderator": Party(
        make=remote(AzureContentModerator),
        asked=list(HARM),
        service=azure,
        scales=dict.fromkeys(HARM, "score"),
    ),
}
REMOTE = {name: party for name, party in PARTIES.items() if party.service}
