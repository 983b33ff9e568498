"""A provider that answers as told: for tests, and for looking around."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..verdicts import CategoryScore, HarmCategory, Scale, Verdict
from .base import Asked, BuildRequest, BuildState, Progress, Provider

#: What a script gives for one text: {category: score, severity or detected}.
Answer = Mapping[str, float | int | bool]


class DummyProvider(Provider):
    """Nothing is ever found, unless ``script`` says so.

    ``script`` is a callable of the text that returns {category: value}; a bool is
    *detected*, an int a severity, a float a score. It may raise a ProviderError.
    ``calls`` records what was asked, a list of texts a call.
    """

    in_process = True
    harm_categories = frozenset(HarmCategory.values)
    harm_scales = frozenset(Scale.values)
    custom_scales = frozenset(Scale.values)
    can_build = True

    def __init__(
        self, alias: str, *, script: Callable[[str], Answer] | None = None
    ) -> None:
        super().__init__(alias)
        self.script = script or (lambda text: {})
        self.calls: list[list[str]] = []

    def analyze(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> list[Verdict]:
        self.calls.append(list(texts))
        return [self._answer(self.script(text), categories) for text in texts]

    def register(self, request: BuildRequest) -> str:
        return str(request.version)

    def submit(self, request: BuildRequest, provider_version: str) -> None:
        pass

    def poll(
        self, request: BuildRequest, provider_version: str, progress: Progress
    ) -> BuildState:
        progress("dummy", 1.0)
        return BuildState(status="succeeded", raw_status="Succeeded", fraction=1.0)

    def _answer(self, answer: Answer, categories: Sequence[Asked]) -> Verdict:
        names = [c if isinstance(c, str) else c.name for c in categories]
        return Verdict(
            source=self.alias,
            scores=tuple(_score(name, answer.get(name)) for name in names),
            versions={c.name: c.version for c in categories if not isinstance(c, str)},
        )


def _score(category: str, value: Any) -> CategoryScore:
    if value is None:
        return CategoryScore(category=category, score=0.0, severity=0, detected=False)
    # A bool is an int to Python, so it is asked first.
    if isinstance(value, bool):
        return CategoryScore(category=category, detected=value)
    if isinstance(value, int):
        return CategoryScore(category=category, severity=value)
    return CategoryScore(category=category, score=value)
