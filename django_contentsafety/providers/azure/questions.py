"""What is asked of Azure about a text: planned first, so that it can be counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...exceptions import Gone
from ...http import Answer, Client, within
from ..remembering import Remembered
from ..splitting import Cut
from .answers import Said
from .findings import Findings

#: Seconds for one text, however many parts it has: half a lease. What is answered by
#: then is remembered, and the next try goes on there.
TEXT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request for each part of a text."""

    #: Whose quota it takes.
    feature: str
    path: str
    #: The API version.
    version: str
    #: The option that says it; empty = none does.
    setting: str
    cut: Cut
    #: All of the request but the text.
    body: Mapping[str, Any]
    read: Callable[[Answer], Said] = field(repr=False)

    @property
    def identity(self) -> dict[str, Any]:
        """What tells it from another."""
        return {"path": self.path, "version": self.version, **self.body}


class Interview:
    """Asks one service questions about texts, part by part."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._remembered = Remembered[Said]()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._client.alias!r}>"

    def cost(
        self, texts: Sequence[str], questions: Sequence[Question]
    ) -> Mapping[str, int]:
        """How many requests ``ask`` makes of each feature. No I/O."""
        counts: Counter[str] = Counter()
        for question in questions:
            for text in texts:
                counts[question.feature] += self._count(question, text)
        return dict(counts)

    def ask(self, text: str, questions: Sequence[Question]) -> Findings:
        """All that is said about all parts of ``text``, or the first error.

        Nothing more is asked once a blocklist has halted the analysis.
        """
        findings = Findings(text)
        names: list[bytes] = []
        with within(TEXT_SECONDS):
            for question in questions:
                for start, end in question.cut.parts(text):
                    part = text[start:end]
                    name = self._remembered.name(question.identity, start, part)
                    said = self._remembered.get(name)
                    if said is None:
                        said = self._ask(question, part)
                        self._remembered.keep(name, said)
                    names.append(name)
                    findings.add((start, end), said, path=question.path)
                    if said.halted:
                        break
                if findings.is_halted:
                    break
        self._remembered.forget(names)
        return findings

    def _count(self, question: Question, text: str) -> int:
        if not self._remembered:
            return question.cut.count(len(text))
        identity = question.identity
        names = [
            self._remembered.name(identity, start, text[start:end])
            for start, end in question.cut.parts(text)
        ]
        return sum(self._remembered.get(name) is None for name in names)

    def _ask(self, question: Question, part: str) -> Said:
        try:
            answer = self._client.post(
                question.path,
                json={"text": part, **question.body},
                params={"api-version": question.version},
            )
        except Gone as error:
            setting, version = question.setting, question.version
            which = f" or its {setting} ({version})" if setting else ""
            words = f"{error} Correct its endpoint{which}."
            facts = {
                name: getattr(error, name)
                for name in ("alias", "status", "service_code", "request_id")
            }
            gone = Gone(words, **facts)
        else:
            return question.read(answer)
        raise gone
