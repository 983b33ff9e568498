"""A site whose versions are built at the scripted Azure, and what may go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from django_contentsafety.engine.samples import Sample, write_jsonl
from django_contentsafety.http import close_sessions
from django_contentsafety.models import Category, CategoryVersion
from django_contentsafety.testing.azure import AzureService
from django_contentsafety.testing.fault_server import FaultServer
from tests.building import PATIENT
from tests.lives import Nth, be_built, be_deleted

from .blobs import CONTAINER, Blobs, connection_string
from .plain import KEY, NEWER

#: As many positive samples as the service wants at least.
SAMPLES = write_jsonl(
    [Sample(text=f"Send coins to wallet {n}.", is_positive=True) for n in range(50)]
    + [Sample(text="See you on Monday.", is_positive=False)]
)
#: More than go into one request about an incident.
MANY = write_jsonl(
    [Sample(text=f"Send coins to wallet {n}.", is_positive=True) for n in range(120)]
    + [Sample(text="See you on Monday.", is_positive=False)]
)
#: Of a build, in the service's and in words nobody knows.
WORDS = ["running", "Rebalancing", "succeeded"]
CATEGORIES = "django_contentsafety.providers.azure_content_safety.AzureContentSafety"
INCIDENTS = "django_contentsafety.providers.azure_incidents.AzureIncidents"


class Died(BaseException):
    """As a worker does that is killed: nothing of ours runs after it."""


@dataclass
class World:
    """The two servers of a test."""

    azure: AzureService
    blobs: Blobs
    #: That of the service.
    server: FaultServer
    #: The samples of each incident once it was deployed.
    incidents: dict[str, list[str]] = field(default_factory=dict)

    def look(self) -> None:
        """Remember what the incidents are like, before they are deleted."""
        for name, incident in self.azure.state.incidents.items():
            self.incidents[name] = list(incident.samples.values())

    def begun(self) -> dict[str, dict[str, int]]:
        """How often each thing that should happen once has happened."""
        state = self.azure.state
        return {
            name: dict(getattr(state, name))
            for name in ("registrations", "builds", "removals", "deployments")
        } | {
            "blobs": dict(self.blobs.created),
            "blobs deleted": dict(self.blobs.deleted),
        }


def categories(endpoint: str, version: str, **options: Any) -> dict[str, Any]:
    """The settings of a provider that builds in this dialect."""
    given = {"endpoint": endpoint, "key": KEY, "categories_api_version": version}
    return {"BACKEND": CATEGORIES, "OPTIONS": {**given, **PATIENT, **options}}


@contextmanager
def world(
    settings: Any,
    version: str,
    *,
    timeouts: dict[str, float] = PATIENT,
    **options: Any,
) -> Iterator[World]:
    """Azure and its storage, and a site that knows them as ``remote``."""
    chance = options.get("chance")
    blobs = Blobs(chance)
    azure = AzureService(**{"key": KEY, "read_blob": blobs.read, **options})
    with FaultServer(azure) as server, FaultServer(blobs) as storage:
        settings.CONTENTSAFETY_PROVIDERS = {
            **settings.CONTENTSAFETY_PROVIDERS,
            "remote": categories(
                server.url,
                version,
                blob_container=CONTAINER,
                blob_connection_string=connection_string(storage.url),
                **timeouts,
            ),
            "incidents": {
                "BACKEND": INCIDENTS,
                "OPTIONS": {"endpoint": server.url, "key": KEY, **timeouts},
            },
        }
        yield World(azure, blobs, server)
        close_sessions()


def read_life(life: str) -> tuple[str, str]:
    """The provider's alias, and the API version of its custom categories."""
    return ("incidents", NEWER) if life == "incidents" else ("remote", life)


def freeze(provider: str, number: int = 1) -> CategoryVersion:
    """A frozen version, without the uploads that come before one."""
    samples = MANY if provider == "incidents" else SAMPLES
    category, _ = Category.objects.get_or_create(
        name="scam", defaults={"definition": "Scams.", "provider": provider}
    )
    version: CategoryVersion = CategoryVersion.objects.create(
        category=category,
        number=number,
        definition=category.definition,
        provider=provider,
        samples_jsonl=samples,
        samples_sha256=sha256(samples).hexdigest(),
        positive_count=50,
        negative_count=1,
    )
    return version


def live(
    settings: Any, life: str, chance: Nth
) -> tuple[World, CategoryVersion, list[str]]:
    """A whole life, with a person who sees to what needs one; the codes they saw.

    ``life`` is an API version of custom categories, or "incidents".
    """
    provider, version = read_life(life)
    # Nobody but ourselves keeps us from doing it twice.
    options = {"script": WORDS, "chance": chance, "refuses": False}
    with world(settings, version, timeouts=chance.timeouts, **options) as site:
        frozen = freeze(provider)
        asked = be_built(frozen)
        site.look()
        asked += be_deleted(frozen)
    return site, frozen, asked
