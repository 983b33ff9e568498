"""Custom categories (rapid), which live on at Azure: a version of ours is an incident.

An incident finds texts that are like its samples; nothing is trained, and negative
samples are not used. It is deployed in minutes and answers through
``text:detectIncidents``, all of them in one request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import uuid4

from ..exceptions import InvalidProvider, UnsupportedFeature, sealed
from ..verdicts import Scale, Verdict
from .azure import options
from .azure.answers import read_incidents
from .azure.building import BuildingProvider
from .azure.common import dialect_of
from .azure.deployments import Incidents
from .azure.provider import AzureProvider
from .azure.questions import Question
from .azure_content_safety import MAX_TEXT, TIERS
from .base import Asked, BuildState, CustomCategory, Limit
from .splitting import Cut

#: Incidents of one request: as many as a resource can have (azure-api.md §2.7).
MAX_INCIDENTS = 100


class AzureIncidents(AzureProvider, BuildingProvider):
    """Builds categories as incidents of the resource at ``endpoint``, and asks them.

    Its harm categories are ``AzureContentSafety``'s, of the same resource. A text of
    more than 10,000 code points goes out in parts that share ``overlap``. ``tier`` is
    that of the resource.
    """

    custom_scales = frozenset({Scale.DETECTED.value})
    max_text_length = MAX_TEXT
    min_samples = (1, 0)

    @sealed
    def __init__(
        self,
        alias: str,
        *,
        endpoint: object,
        key: object = None,
        second_key: object = None,
        credential: object = None,
        cloud: object = "public",
        api_version: object = "2024-09-15-preview",
        tier: object = "S0",
        overlap: object = 500,
        connect_timeout: object = None,
        read_timeout: object = None,
        total_timeout: object = None,
    ) -> None:
        super().__init__(alias)
        dialect = dialect_of(alias, api_version)
        if not dialect.has_operations:
            raise InvalidProvider(
                f"Provider {alias!r}: {dialect.version} has no incidents; use "
                "2024-09-15-preview."
            )
        self.api_version = dialect.version
        self._tier = options.choice(alias, "tier", tier, TIERS)
        shared = options.count(alias, "overlap", overlap, MAX_TEXT // 4)
        self._cut = Cut(limit=MAX_TEXT, overlap=shared, most=shared)
        self.open(
            endpoint=endpoint,
            key=key,
            second_key=second_key,
            credential=credential,
            cloud=cloud,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            total_timeout=total_timeout,
        )
        self.incidents = Incidents(alias, self.client, self.api_version)
        self.builder = self.incidents

    @property
    def versions(self) -> tuple[str, ...]:
        return (self.api_version,)

    @property
    def limits(self) -> Mapping[str, Limit]:
        return {"incidents": TIERS[self._tier]["incidents"]}

    def cost(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> Mapping[str, int]:
        return self.interview.cost(texts, self._questions(categories))

    @sealed
    def analyze(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> list[Verdict]:
        questions = self._questions(categories)
        custom = [one for one in categories if isinstance(one, CustomCategory)]
        versions = {one.name: one.version for one in custom}
        return [
            self.interview.ask(text, questions).verdict(
                self.alias, list(versions), versions, "block"
            )
            for text in texts
        ]

    def _questions(self, categories: Sequence[Asked]) -> list[Question]:
        """One for as many incidents as one request may name."""
        names: dict[str, str] = {}
        for one in categories:
            if isinstance(one, str):
                raise UnsupportedFeature(
                    f"The provider {self.alias!r} answers custom categories alone: ask "
                    f"AzureContentSafety about {one}.",
                    alias=self.alias,
                )
            names[self.incidents.name_of(one)] = one.name
        incidents = sorted(names.items())
        return [
            self._detect(dict(incidents[at : at + MAX_INCIDENTS]))
            for at in range(0, len(incidents), MAX_INCIDENTS)
        ]

    def _detect(self, names: Mapping[str, str]) -> Question:
        return Question(
            feature="incidents",
            path="/text:detectIncidents",
            version=self.api_version,
            setting="api_version",
            cut=self._cut,
            body={"incidentNames": list(names)},
            read=partial(read_incidents, names=names),
        )

    # --- An incident that is there already ---------------------------------------

    def samples(self, incident: str) -> dict[str, str]:
        """The texts of its samples by the service's ids of them."""
        return self.incidents.samples.all(incident)

    def add_samples(self, incident: str, texts: Sequence[str]) -> int:
        """Add the texts that aren't there yet; return how many. ``deploy`` after it."""
        return self.incidents.samples.add(incident, texts)

    def remove_samples(self, incident: str, ids: Sequence[str]) -> None:
        """Take samples away, by the service's ids. ``deploy`` after it."""
        self.incidents.samples.take(incident, ids)

    def deploy(self, incident: str) -> str:
        """Let the samples as they are be what is detected; return the id to ask by."""
        operation = f"cs-deploy-{uuid4().hex}"
        self.incidents.deploy(incident, operation)
        return operation

    def deployment(self, operation: str) -> BuildState:
        """How far it is. Raise NotFound where nobody knows it (any more)."""
        return self.incidents.deployment(operation)
