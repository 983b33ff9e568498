"""The embedded engine as a provider: no account, no network, scores in-process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Error, Warning

from ..engine import artifacts, classifier, harm, minilm, scoring
from ..engine.errors import EngineError, MissingDependency, ModelError
from ..engine.explanations import EXPLAIN_FROM, EXPLAIN_FROM_SEVERITY
from ..engine.features import MAX_CHARS
from ..engine.harm import DETECTED_FROM
from ..engine.language import is_supported
from ..engine.samples import parse_jsonl
from ..engine.tiers import FAST, MINILM, tier_named
from ..exceptions import BuildFailed, InvalidProvider, ProtocolError, UnsupportedFeature
from ..verdicts import CategoryScore, HarmCategory, Scale, Span, Verdict
from .base import Asked, BuildRequest, BuildState, CustomCategory, Progress, Provider

if TYPE_CHECKING:
    from ..engine.classifier import Head
    from ..engine.harm import HarmHead
    from ..engine.head import TextScore

#: Code points two parts of a long text share, so that no phrase is torn apart.
OVERLAP = 500


class LocalProvider(Provider):
    """What ``django_contentsafety.engine`` scores: the four harm categories, trained
    before the release, and custom categories, trained here.

    A severity of the engine's is no severity of Azure's:
    ``docs/explanation/engine.md`` says what it means.

    ``tier`` is "fast", or "minilm" for an encoder beside the words: better, and some
    ten times slower. A version is scored on the tier that it was built for.
    """

    in_process = True
    harm_categories = frozenset(HarmCategory.values)
    harm_scales = frozenset(
        {Scale.SCORE.value, Scale.SEVERITY.value, Scale.DETECTED.value}
    )
    custom_scales = frozenset({Scale.SCORE.value, Scale.DETECTED.value})
    can_build = True
    #: Negatives are worth having, and ordinary texts stand in where there are few.
    min_samples = (20, 0)

    def __init__(
        self, alias: str, *, seed: int | str = 0, tier: str = FAST.name
    ) -> None:
        super().__init__(alias)
        try:
            # From provider_from_url it comes as text.
            self.seed = int(seed)
        except (TypeError, ValueError):
            raise InvalidProvider(
                f"Provider {alias!r}: seed must be a whole number."
            ) from None
        try:
            self.tier = tier_named(str(tier)).name
        except EngineError as error:
            raise InvalidProvider(f"Provider {alias!r}: {error}") from None

    def analyze(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> list[Verdict]:
        asked = [self._asked(category) for category in categories]
        self._open()
        parts = [[*_parts(text)] for text in texts]
        # One pass over the words serves every head, and many texts at a time are
        # faster than one.
        answers = scoring.analyze(
            [one.head for one in asked], [part for some in parts for _, part in some]
        )
        return [
            self._verdict(text, asked, [(*part, next(answers)) for part in some])
            for text, some in zip(texts, parts, strict=True)
        ]

    def register(self, request: BuildRequest) -> str:
        # The content is part of the name, so no cache ever mixes two databases' v1.
        return f"{request.version}-{sha256(request.samples).hexdigest()[:12]}"

    def submit(self, request: BuildRequest, provider_version: str) -> None:
        """Nothing to start: ``poll`` does the work."""

    def poll(
        self, request: BuildRequest, provider_version: str, progress: Progress
    ) -> BuildState:
        parsed = parse_jsonl(request.samples, max_bytes=len(request.samples))
        if parsed.errors:
            # Trained without it, the version would not be what was frozen.
            error = parsed.errors[0]
            raise BuildFailed(
                f"Line {error.line} of the frozen samples can't be read: "
                f"{error.message} {error.remedy}",
                alias=self.alias,
            )
        samples = [sample for _, sample in parsed.samples]
        try:
            trained = classifier.train(
                samples,
                definition=request.definition,
                seed=self.seed,
                progress=progress,
                tier=self.tier,
            )
            artifact = artifacts.dump(
                trained.head, name=request.name, version=request.version
            )
        except EngineError as error:
            raise BuildFailed(str(error), alias=self.alias) from None
        return BuildState(
            status="succeeded",
            raw_status="Succeeded",
            fraction=1.0,
            artifact=artifact,
            card=trained.card.as_dict(),
        )

    def adopt(self, request: BuildRequest, artifact: bytes) -> str:
        try:
            artifacts.load(artifact, tier=self.tier)
        except EngineError as error:
            raise BuildFailed(str(error), alias=self.alias) from None
        # Of the artifact, not of the samples: it may come from another seed.
        return f"{request.version}-{sha256(artifact).hexdigest()[:12]}"

    def check(self) -> list[CheckMessage]:
        where = f"provider {self.alias}"
        if find_spec("numpy") is None:
            return [
                Error(
                    "The embedded engine needs numpy.",
                    hint='Run: pip install "django-contentsafety[local]"',
                    obj=where,
                    id="contentsafety.E010",
                )
            ]
        if found := self._check_tier(where):
            return found
        if find_spec("sklearn") is None:
            return [
                Warning(
                    "The embedded engine scores but can't build: scikit-learn is "
                    "missing.",
                    hint='Run: pip install "django-contentsafety[local]", or silence '
                    "this where another machine builds.",
                    obj=where,
                    id="contentsafety.W010",
                )
            ]
        return []

    def _check_tier(self, where: str) -> list[CheckMessage]:
        """What the minilm tier lacks: it is looked at before a worker meets it."""
        if self.tier != MINILM.name:
            return []
        try:
            if find_spec("onnxruntime") is None:
                raise MissingDependency("onnxruntime", "minilm")
            minilm.read_model()
        except EngineError as error:
            return [
                Error(
                    error.message,
                    hint=error.remedy,
                    obj=where,
                    id="contentsafety.E018"
                    if isinstance(error, ModelError)
                    else "contentsafety.E017",
                )
            ]
        return []

    def _open(self) -> None:
        """Open what the tier needs: where it can't be had, no text is answered."""
        if self.tier != MINILM.name:
            return
        try:
            minilm.load_session()
        except EngineError as error:
            raise ProtocolError(str(error), alias=self.alias) from None

    def _asked(self, category: Asked) -> _Asked:
        if not isinstance(category, str):
            head = self._head(category)
            return _Asked(category.name, head, None, category.version)
        if category not in self.harm_categories:
            raise UnsupportedFeature(
                f"The embedded engine doesn't answer {category}.", alias=self.alias
            )
        try:
            built_in = harm.heads(self.tier)[category]
        except EngineError as error:
            raise ProtocolError(str(error), alias=self.alias) from None
        return _Asked(category, built_in.head, built_in, None)

    def _head(self, category: CustomCategory) -> Head:
        try:
            return _load(category, self.tier)
        except EngineError as error:
            raise ProtocolError(
                f"The artifact of {category.name} v{category.version} can't be read: "
                f"{error}",
                alias=self.alias,
            ) from None

    def _verdict(
        self, text: str, asked: Sequence[_Asked], parts: Sequence[_Part]
    ) -> Verdict:
        scores: list[CategoryScore] = []
        spans: list[Span] = []
        supported = is_supported(text)
        for number, one in enumerate(asked):
            if one.built_in is not None and not supported:
                # It knows nothing of the language, and says so rather than guess: a
                # rule about it then asks for a review, as about any missing answer.
                scores.append(CategoryScore(category=one.name))
                continue
            # A text is as bad as its worst part; nothing is cut off.
            start, part, found = max(parts, key=lambda part: part[2][number].score)
            scores.append(one.answer(found[number].score))
            if one.is_worth_explaining(found[number].score):
                spans += [
                    Span(
                        field="",
                        start=start + token.start,
                        end=start + token.end,
                        category=one.name,
                        weight=round(token.weight, 4),
                    )
                    for token in one.head.explain(part, found=found[number])
                ]
        return Verdict(
            source=self.alias,
            scores=tuple(scores),
            spans=tuple(spans),
            versions={
                one.name: one.version for one in asked if one.version is not None
            },
            raw={"language_supported": supported},
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A category as it is scored; ``built_in`` is None for a custom one."""

    name: str
    head: Head
    built_in: HarmHead | None
    version: int | None

    def answer(self, score: float) -> CategoryScore:
        severity = None if self.built_in is None else self.built_in.severity(score)
        return CategoryScore(
            category=self.name,
            score=round(score, 6),
            severity=severity,
            detected=score >= self.head.threshold
            if severity is None
            else severity >= DETECTED_FROM,
        )

    def is_worth_explaining(self, score: float) -> bool:
        if self.built_in is None:
            return score >= EXPLAIN_FROM
        return self.built_in.severity(score) >= EXPLAIN_FROM_SEVERITY


#: Where a part of a text begins, the part, and what each head says of it.
_Part = tuple[int, str, "list[TextScore]"]


def _parts(text: str) -> Iterator[tuple[int, str]]:
    return ((start, text[start:end]) for start, end in windows(text))


def windows(text: str) -> list[tuple[int, int]]:
    """Ranges that cover ``text``, each within what the engine looks at, overlapping."""
    step = MAX_CHARS - OVERLAP
    starts = range(0, max(len(text) - OVERLAP, 1), step)
    return [(start, min(start + MAX_CHARS, len(text))) for start in starts]


@lru_cache(maxsize=64)
def _load(category: CustomCategory, tier: str) -> Head:
    """A worker keeps its heads: an artifact is read once a process."""
    load: Callable[[], bytes] = category.load
    return artifacts.load(load(), tier=tier)
