"""Azure Content Moderator v2, the private preview of 2022: four probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from django.core.checks import CheckMessage

from ..exceptions import UnsupportedFeature, sealed
from ..verdicts import HarmCategory, Scale, Verdict
from .azure import options
from .azure.answers import MODERATOR_NAMES, read_moderation
from .azure.checks import check_moderator
from .azure.provider import AzureProvider
from .azure.questions import Question
from .base import Asked, Limit
from .splitting import Cut

#: The only version with this path (azure-api.md §7).
VERSION = "2022-09-30-preview"
#: The longest text of one request: "7K characters", taken for code points.
MAX_TEXT = 7_000
#: Below one a second, so that no two fall into one; below ten, as it is written (§4).
TIERS: Mapping[str, Limit] = {
    "F0": Limit(rate=0.95, burst=1, per_month=5_000),
    "S0": Limit(rate=8.9, burst=2),
}


class AzureContentModerator(AzureProvider):
    """Asks the resource at ``endpoint``, by ``key`` or by an Entra ``credential``.

    ``tier`` is that of the resource; neighboring parts of a long text share
    ``overlap`` code points. Its scores are probabilities, which are no severities:
    a rule for it is on the scale *score* or *detected*. It knows English alone.
    """

    harm_categories = frozenset(HarmCategory.values)
    harm_scales = frozenset({Scale.SCORE.value, Scale.DETECTED.value})
    max_text_length = MAX_TEXT

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
        tier: object = "S0",
        overlap: object = 500,
        connect_timeout: object = None,
        read_timeout: object = None,
        total_timeout: object = None,
    ) -> None:
        super().__init__(alias)
        self._tier = options.choice(alias, "tier", tier, TIERS)
        shared = options.count(alias, "overlap", overlap, MAX_TEXT // 4)
        self._cut = Cut(limit=MAX_TEXT, overlap=shared, most=shared)
        self.open(
            endpoint=endpoint,
            key=key,
            second_key=second_key,
            credential=credential,
            cloud=cloud,
            product="contentmoderator",
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            total_timeout=total_timeout,
        )

    @property
    def versions(self) -> tuple[str, ...]:
        return (VERSION,)

    @property
    def limits(self) -> Mapping[str, Limit]:
        return {"moderate": TIERS[self._tier]}

    def cost(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> Mapping[str, int]:
        return self.interview.cost(texts, [self._question(categories)])

    @sealed
    def analyze(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> list[Verdict]:
        names = [one for one in categories if isinstance(one, str)]
        if len(names) < len(categories):
            raise UnsupportedFeature(
                f"{type(self).__name__} has no custom categories.", alias=self.alias
            )
        questions = [self._question(names)]
        return [
            self.interview.ask(text, questions).verdict(self.alias, names)
            for text in texts
        ]

    def check(self) -> list[CheckMessage]:
        return [*super().check(), *check_moderator(self.alias)]

    def _question(self, categories: Sequence[Asked]) -> Question:
        return Question(
            feature="moderate",
            path="/moderate/text/detect",
            version=VERSION,
            setting="",
            cut=self._cut,
            body={
                "categories": [
                    theirs
                    for theirs, ours in MODERATOR_NAMES.items()
                    if ours in categories
                ]
            },
            read=partial(
                read_moderation,
                asked=[one for one in categories if isinstance(one, str)],
            ),
        )
