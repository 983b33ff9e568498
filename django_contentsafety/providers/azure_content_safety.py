"""Azure AI Content Safety: the four harm categories, blocklists, custom categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from django.core.checks import CheckMessage

from ..exceptions import InvalidProvider, NotFound, sealed
from ..verdicts import HarmCategory, Scale, Verdict
from .azure import options
from .azure.answers import LEVELS, read_analysis, read_custom
from .azure.blob import SampleBlobs
from .azure.building import BuildingProvider
from .azure.categories import Categories
from .azure.checks import check_container, check_standard, check_versions
from .azure.common import GA, cloud_of, dialect_of
from .azure.limits import MIN_POSITIVES
from .azure.provider import AzureProvider
from .azure.questions import Question
from .base import Asked, CustomCategory, Limit
from .splitting import Cut

#: The longest text of ``text:analyze`` and ``text:detectIncidents`` in code points
#: (azure-api.md §4).
MAX_TEXT = 10_000

#: So that no more than the documented requests (§4) fall into any of their windows:
#: the burst, and what is granted again meanwhile. F0: 5 in a second; S0: 1,000 in ten.
FIVE_A_SECOND = Limit(rate=3.9, burst=2)
THOUSAND_IN_TEN = Limit(rate=90.0, burst=100)
#: Custom categories (standard) have 5 a second on both tiers.
TIERS: Mapping[str, Mapping[str, Limit]] = {
    "F0": {
        "text": FIVE_A_SECOND,
        "custom": FIVE_A_SECOND,
        "incidents": FIVE_A_SECOND,
    },
    "S0": {
        "text": THOUSAND_IN_TEN,
        "custom": FIVE_A_SECOND,
        "incidents": THOUSAND_IN_TEN,
    },
}


class AzureContentSafety(AzureProvider, BuildingProvider):
    """Asks the resource at ``endpoint``, by ``key`` or by an Entra ``credential``.

    Severities are on the four ``levels`` (0, 2, 4, 6) or all eight. ``blocklists`` are
    lists at the service; an item that is hit brings ``blocklist_decision``, and with
    ``halt_on_blocklist_hit`` no model is asked. ``tier`` is that of the resource.
    Neighboring parts of a long text share ``overlap`` code points, those of a custom
    category's ``custom_overlap``. ``blob_container`` is where samples of custom
    categories are written to, opened by one of ``blob_connection_string``, ``blob_sas``
    and ``blob_credential``. docs/howto/azure.md has all options.
    """

    harm_categories = frozenset(HarmCategory.values)
    harm_scales = frozenset({Scale.SEVERITY.value})
    custom_scales = frozenset({Scale.DETECTED.value})
    max_text_length = MAX_TEXT
    min_samples = (MIN_POSITIVES, 0)

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
        api_version: object = GA,
        categories_api_version: object = "2024-09-15-preview",
        levels: object = "four",
        blocklists: object = (),
        halt_on_blocklist_hit: object = False,
        blocklist_decision: object = "block",
        tier: object = "S0",
        overlap: object = 500,
        custom_overlap: object = 0,
        blob_container: object = None,
        blob_connection_string: object = None,
        blob_sas: object = None,
        blob_credential: object = None,
        connect_timeout: object = None,
        read_timeout: object = None,
        total_timeout: object = None,
    ) -> None:
        super().__init__(alias)
        self.api_version = options.api_version(alias, "api_version", api_version)
        self.dialect = dialect_of(alias, categories_api_version)
        self._levels = options.choice(alias, "levels", levels, LEVELS)
        self._blocklists = options.blocklist_names(alias, blocklists)
        self._halts = options.flag(
            alias, "halt_on_blocklist_hit", halt_on_blocklist_hit
        )
        self._hit = options.choice(
            alias, "blocklist_decision", blocklist_decision, ("block", "review")
        )
        self._tier = options.choice(alias, "tier", tier, TIERS)
        shared = options.count(alias, "overlap", overlap, MAX_TEXT // 4)
        self._cut = Cut(limit=MAX_TEXT, overlap=shared, most=shared)
        longest = self.dialect.max_text_length
        shared = options.count(alias, "custom_overlap", custom_overlap, longest // 4)
        self._custom_cut = Cut(limit=longest, overlap=shared, most=longest // 10)
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
        blobs = None
        if blob_container is not None:
            blobs = SampleBlobs(
                alias,
                container=blob_container,
                connection_string=blob_connection_string,
                sas=blob_sas,
                credential=blob_credential,
                cloud=cloud_of(alias, cloud),
                timeouts=self.client.timeouts,
            )
        elif (blob_connection_string, blob_sas, blob_credential) != (None,) * 3:
            raise InvalidProvider(
                f"Provider {alias!r} has what opens a container, and no blob_container."
            )
        self._builds = blobs is not None
        self.builder = Categories(alias, self.client, self.dialect, blobs)

    @property
    def versions(self) -> tuple[str, ...]:
        return self.api_version, self.dialect.version

    @property
    def limits(self) -> Mapping[str, Limit]:
        return TIERS[self._tier]

    def cost(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> Mapping[str, int]:
        return self.interview.cost(texts, self._questions(categories))

    @sealed
    def analyze(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> list[Verdict]:
        custom = [one for one in categories if isinstance(one, CustomCategory)]
        for one in custom:
            # An incident's is its name: AzureIncidents answers for those.
            if not one.provider_version.isdecimal():
                raise NotFound(
                    f"The provider {self.alias!r} never named its own version of "
                    f"{one.name} v{one.version}: build another version there.",
                    alias=self.alias,
                )
        questions = self._questions(categories)
        names = [one if isinstance(one, str) else one.name for one in categories]
        versions = {one.name: one.version for one in custom}
        return [
            self.interview.ask(text, questions).verdict(
                self.alias, names, versions, self._hit
            )
            for text in texts
        ]

    def check(self) -> list[CheckMessage]:
        found = [
            *super().check(),
            *check_versions(self.alias, version=self.api_version),
        ]
        if self._builds:
            found += check_container(self.alias)
            found += check_standard(self.alias, version=self.dialect.version)
        return found

    def _questions(self, categories: Sequence[Asked]) -> list[Question]:
        """All that has to be asked about each part of a text."""
        harm = [one for one in categories if isinstance(one, str)]
        custom = [one for one in categories if isinstance(one, CustomCategory)]
        if custom and self.dialect.is_inline:
            most = self.dialect.max_categories
            # The harm categories come along with the first of them.
            return [
                self._analyze([] if at else harm, custom[at : at + most])
                for at in range(0, len(custom), most)
            ]
        questions = [self._analyze(harm)] if harm or self._blocklists else []
        return questions + [self._analyze_custom(one) for one in custom]

    def _analyze(
        self, harm: Sequence[str], custom: Sequence[CustomCategory] = ()
    ) -> Question:
        body: dict[str, object] = {"outputType": LEVELS[self._levels][0]}
        if harm:
            # Left out, all four are meant: there is no asking for none.
            body["categories"] = list(harm)
        if self._blocklists:
            body["blocklistNames"] = list(self._blocklists)
            body["haltOnBlocklistHit"] = self._halts
        if custom:
            # With its version always: the schema requires it (azure-api.md §2.2).
            body["customizedCategories"] = [
                {"categoryName": one.name, "version": _number(one)} for one in custom
            ]
        version = self.dialect.version if custom else self.api_version
        return Question(
            feature="custom" if custom else "text",
            path="/text:analyze",
            version=version,
            setting="categories_api_version" if custom else "api_version",
            cut=self._cut,
            body=body,
            read=partial(
                read_analysis,
                asked=tuple(harm),
                custom=tuple(one.name for one in custom),
                levels=self._levels,
                may_halt=self._halts and bool(self._blocklists),
            ),
        )

    def _analyze_custom(self, category: CustomCategory) -> Question:
        return Question(
            feature="custom",
            path="/text:analyzeCustomCategory",
            version=self.dialect.version,
            setting="categories_api_version",
            cut=self._custom_cut,
            body={
                "categoryName": category.name,
                "version": _number(category),
            },
            read=partial(read_custom, name=category.name),
        )


def _number(category: CustomCategory) -> int:
    """The service's; 0 where it has none, which is counted and never asked about."""
    number = category.provider_version
    return int(number) if number.isdecimal() else 0
