"""What Azure's analyses say, read strictly: half an answer is none."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...http import Answer
from ...verdicts import HarmCategory

#: The severities of each ``outputType`` (azure-api.md §2.2): never mixed up.
LEVELS: Mapping[str, tuple[str, frozenset[int]]] = {
    "four": ("FourSeverityLevels", frozenset({0, 2, 4, 6})),
    "eight": ("EightSeverityLevels", frozenset(range(8))),
}

#: A word of the service's own; what is longer may quote.
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._~-]{0,63}")
#: A blocklist item's text is at most 1,000 characters long in any version (§2.8).
_LONGEST_ITEM = 1_000
#: More of one list than any answer has.
_MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A blocklist's item that is in the text."""

    blocklist: str
    item: str
    term: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one answer says about one part of a text."""

    severities: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    detected: Mapping[str, bool] = field(default_factory=dict)
    matches: tuple[Match, ...] = ()
    #: A blocklist hit, and so no model was asked.
    halted: bool = False
    request_id: str = ""


def read_analysis(
    answer: Answer,
    *,
    asked: Collection[str],
    custom: Collection[str] = (),
    levels: str,
    may_halt: bool = False,
) -> Said:
    """An answer of ``text:analyze``, about harm categories and inline custom ones.

    ``asked`` are the harm categories it must have. Raise ProtocolError for anything
    that isn't there, is there twice, or is off its scale.
    """
    matches = tuple(_matches(answer))
    severities = dict(_severities(answer, asked, LEVELS[levels][1]))
    detected = dict(_inline(answer, custom)) if custom else {}
    if may_halt and matches and not severities:
        return Said(matches=matches, halted=True, request_id=answer.request_id)
    _all_there(answer, asked, severities)
    _all_there(answer, custom, detected)
    return Said(
        severities=severities,
        detected=detected,
        matches=matches,
        request_id=answer.request_id,
    )


def read_custom(answer: Answer, *, name: str) -> Said:
    """An answer of ``text:analyzeCustomCategory``, which is about one."""
    found = answer.data.get("customCategoryAnalysis")
    if not isinstance(found, dict):
        raise answer.unreadable("has no customCategoryAnalysis")
    return Said(
        detected={name: _bool(answer, found.get("detected"))},
        request_id=answer.request_id,
    )


def read_incidents(answer: Answer, *, names: Mapping[str, str]) -> Said:
    """An answer of ``text:detectIncidents``; ``names`` are ours by the service's."""
    found = set()
    for entry in _entries(answer, "incidentMatches"):
        incident = entry.get("incidentName")
        if not isinstance(incident, str) or incident not in names:
            raise answer.unreadable("matches what it wasn't asked about")
        found.add(incident)
    return Said(
        detected={ours: theirs in found for theirs, ours in names.items()},
        request_id=answer.request_id,
    )


#: Content Moderator's names of the four, and ours (azure-api.md §7).
MODERATOR_NAMES: Mapping[str, str] = {
    "HateSpeech": HarmCategory.HATE.value,
    "SelfHarm": HarmCategory.SELF_HARM.value,
    "Sexual": HarmCategory.SEXUAL.value,
    "Violence": HarmCategory.VIOLENCE.value,
}


def read_moderation(answer: Answer, *, asked: Collection[str]) -> Said:
    """An answer of Content Moderator v2: probabilities, in any order.

    ``asked`` are our names. Details and diagnoses are null in the public preview and
    not read: they are about personal data, which nobody asked for.
    """
    scores: dict[str, float] = {}
    detected: dict[str, bool] = {}
    theirs = [name for name, ours in MODERATOR_NAMES.items() if ours in asked]
    for name, entry in _named(answer, "value", "category", theirs):
        score: Any = entry.get("score")
        # To Python True is a 1.
        is_one = type(score) in (int, float) and 0 <= score <= 1
        if name in theirs:
            if not is_one:
                raise answer.unreadable("has a score that is no probability")
            detected[MODERATOR_NAMES[name]] = _bool(answer, entry.get("detected"))
        if is_one and (name in MODERATOR_NAMES or name not in asked):
            scores[MODERATOR_NAMES.get(name, name)] = float(score)
    _all_there(answer, asked, scores)
    return Said(scores=scores, detected=detected, request_id=answer.request_id)


def _severities(
    answer: Answer, asked: Collection[str], scale: Collection[int]
) -> Iterator[tuple[str, int]]:
    for name, entry in _named(answer, "categoriesAnalysis", "category", asked):
        severity: Any = entry.get("severity")
        is_one = type(severity) is int and severity in scale
        # The schema lets it be absent, and nobody says what that means: not 0.
        if name in asked and not is_one:
            raise answer.unreadable("has a severity that is none")
        if is_one:
            yield name, severity


def _inline(answer: Answer, asked: Collection[str]) -> Iterator[tuple[str, bool]]:
    entries = "textCustomizedCategoriesAnalysis"
    for name, entry in _named(answer, entries, "categoryName", asked):
        if name in asked:
            yield name, _bool(answer, entry.get("detected"))


def _matches(answer: Answer) -> Iterator[Match]:
    # Absent or null or empty: nothing was hit, or no list was named.
    if answer.data.get("blocklistsMatch") is None:
        return
    for entry in _entries(answer, "blocklistsMatch"):
        term = entry.get("blocklistItemText")
        if not isinstance(term, str) or not 0 < len(term) <= _LONGEST_ITEM:
            raise answer.unreadable("has a blocklist match without a text")
        yield Match(
            blocklist=_name(answer, entry, "blocklistName"),
            item=_name(answer, entry, "blocklistItemId"),
            term=term,
        )


def _named(
    answer: Answer, entries: str, field_name: str, asked: Collection[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The entries by name, each of ``asked`` once; of others those that have a name.

    A category that nobody asked for may come with any release, on a scale of its own.
    """
    seen = set()
    for entry in _entries(answer, entries):
        name = entry.get(field_name)
        if not isinstance(name, str):
            raise answer.unreadable(f"has an entry without {field_name}")
        if name in asked and name in seen:
            raise answer.unreadable("has two answers about one category")
        seen.add(name)
        if _NAME.fullmatch(name):
            yield name, entry


def _entries(answer: Answer, name: str) -> Iterator[Mapping[str, Any]]:
    entries = answer.data.get(name)
    if not isinstance(entries, list) or len(entries) > _MOST:
        raise answer.unreadable(f"has no list {name}")
    for entry in entries:
        if not isinstance(entry, dict):
            raise answer.unreadable(f"has in {name} what is no object")
        yield entry


def _name(answer: Answer, entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise answer.unreadable(f"has an entry without {name}")
    return value


def _bool(answer: Answer, value: object) -> bool:
    if not isinstance(value, bool):
        raise answer.unreadable("doesn't say whether it was detected")
    return value


def _all_there(
    answer: Answer, asked: Collection[str], found: Mapping[str, object]
) -> None:
    if not set(asked) <= set(found):
        raise answer.unreadable("is not about all the categories asked for")
