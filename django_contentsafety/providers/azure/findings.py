"""From what is said about the parts of a text to one verdict about all of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...verdicts import BlocklistHit, CategoryScore, Span, Verdict
from .answers import Match, Said

#: Parts whose answers are kept as they were; a longer text's others are counted.
MAX_RAW = 100

Range = tuple[int, int]


class Findings:
    """The worst of every part, and where it is. A text is as bad as its worst part."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._severities: dict[str, tuple[int, Range]] = {}
        self._scores: dict[str, tuple[float, Range]] = {}
        self._detected: dict[str, tuple[bool, Range]] = {}
        self._matches: dict[tuple[str, str, Range], Match] = {}
        self._raw: list[dict[str, Any]] = []
        self._left_out = 0
        self._request_id = ""
        self._worst = -1.0
        #: A blocklist hit, so that not all of it was looked at.
        self.is_halted = False

    def add(self, part: Range, said: Said, **facts: Any) -> None:
        """What one answer says about ``part``; ``facts`` are kept with it."""
        for name, severity in said.severities.items():
            if name not in self._severities or severity > self._severities[name][0]:
                self._severities[name] = severity, part
        for name, score in said.scores.items():
            if name not in self._scores or score > self._scores[name][0]:
                self._scores[name] = score, part
        for name, detected in said.detected.items():
            if name not in self._detected or detected > self._detected[name][0]:
                self._detected[name] = detected, part
        for match in said.matches:
            where = self._find(match.term, part)
            self._matches.setdefault((match.blocklist, match.item, where), match)
        self.is_halted |= said.halted
        self._keep(part, said, facts)

    def verdict(
        self,
        alias: str,
        asked: Sequence[str],
        versions: Mapping[str, int] | None = None,
        hit: str = "",
    ) -> Verdict:
        """The verdict about ``asked``; ``hit`` is the decision of a blocklist's item.

        Where a hit halted the analysis it has no scores: nobody looked at all of the
        text, and half an answer would pass for *nothing found*.
        """
        names = [] if self.is_halted else list(asked)
        return Verdict(
            source=alias,
            scores=tuple(self._score(name) for name in names),
            spans=tuple(span for name in names for span in self._spans(name)),
            hits=tuple(
                BlocklistHit(
                    blocklist=match.blocklist,
                    term=match.term,
                    decision=hit,
                    span=Span(field="", start=start, end=end),
                )
                for (_, _, (start, end)), match in self._matches.items()
            ),
            versions=dict(versions or {}),
            request_id=self._request_id,
            raw={"parts": self._raw, "left_out": self._left_out},
        )

    def _score(self, name: str) -> CategoryScore:
        severity = self._severities.get(name)
        score = self._scores.get(name)
        detected = self._detected.get(name)
        return CategoryScore(
            category=name,
            severity=severity and severity[0],
            score=score and score[0],
            detected=detected and detected[0],
        )

    def _spans(self, name: str) -> list[Span]:
        """The part that was worst; none where all of the text is one part, or where
        nothing was found."""
        severity, where = self._severities.get(name, (0, (0, 0)))
        detected, place = self._detected.get(name, (False, (0, 0)))
        if detected:
            # A probability is highest somewhere, whether or not it means anything.
            where = self._scores[name][1] if name in self._scores else place
        start, end = where
        if not (severity or detected) or end - start == len(self._text):
            return []
        return [Span(field="", start=start, end=end, category=name)]

    def _find(self, term: str, part: Range) -> Range:
        """Where the item stands. The service doesn't say: all of ``part`` where it
        isn't there letter by letter."""
        literally = re.compile(re.escape(term), re.IGNORECASE)
        found = literally.search(self._text, *part)
        return found.span() if found else part

    def _keep(self, part: Range, said: Said, facts: Mapping[str, Any]) -> None:
        worst = max(
            [*said.severities.values(), *said.scores.values(), *said.detected.values()],
            default=0,
        )
        worst = 8 if said.matches else worst
        if worst > self._worst:
            # What to quote to Azure's support.
            self._worst, self._request_id = worst, said.request_id
        if len(self._raw) >= MAX_RAW:
            self._left_out += 1
            return
        answers: dict[str, Any] = {
            "severities": dict(said.severities),
            "scores": dict(said.scores),
            "detected": dict(said.detected),
            "blocklists": sorted({match.blocklist for match in said.matches}),
        }
        self._raw.append(
            {
                "start": part[0],
                "end": part[1],
                "request_id": said.request_id,
                **facts,
                **{name: value for name, value in answers.items() if value},
                **({"halted": True} if said.halted else {}),
            }
        )
