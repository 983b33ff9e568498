"""``text:analyze``, with the older dialect's custom categories and with blocklists."""

from __future__ import annotations

from typing import Any

from ..fault_server import Reply
from . import limits, scoring
from .call import Call, route
from .categories import detected
from .dialects import EVERY, NEWER, OLDER
from .wire import invalid, json_reply, only, text_of

FIELDS = ("text", "categories", "blocklistNames", "haltOnBlocklistHit", "outputType")
LEVELS = ("FourSeverityLevels", "EightSeverityLevels")


def analyze(call: Call) -> Reply:
    """Severities of the harm categories asked for, and what else was asked for."""
    inline = ("customizedCategories",) if call.version == OLDER else ()
    data = only(call.data, *FIELDS, *inline)
    text = text_of(data, "text", limits.MAX_TEXT, shortest=0)
    levels = data.get("outputType", LEVELS[0])
    if levels not in LEVELS:
        raise invalid(f"outputType must be {' or '.join(LEVELS)}.")
    asked = _names(data, "categories") or list(scoring.HARM)
    if unknown := sorted(set(asked) - set(scoring.HARM)):
        raise invalid(f"There is no category {unknown[0][:40]}.")
    customized = _customized(call, data, text)
    matches = _matches(call, _names(data, "blocklistNames"), text)
    halt = data.get("haltOnBlocklistHit", False)
    if not isinstance(halt, bool):
        raise invalid("haltOnBlocklistHit must be true or false.")
    analyses = []
    # Assumed: the field is required, so without an analysis it is empty.
    for category in asked if not (halt and matches) else ():
        value = scoring.severity(call.service.words, category, text)
        value = scoring.trimmed(value) if levels == LEVELS[0] else value
        analyses.append({"category": category, "severity": value})
    answer: dict[str, Any] = {
        "blocklistsMatch": matches,
        "categoriesAnalysis": analyses,
    }
    if customized is not None:
        answer["textCustomizedCategoriesAnalysis"] = customized
    return json_reply(
        answer,
        api_supported_versions=",".join(EVERY),
        csp_billing_usage="CognitiveServices.ContentSafety.Text:Analyze=1",
    )


def detect(call: Call) -> Reply:
    """The newer dialect's custom categories: one a request."""
    data = only(call.data, "text", "categoryName", "version")
    text = text_of(data, "text", limits.MAX_CUSTOM_TEXT, shortest=0)
    name = text_of(data, "categoryName", limits.MAX_NAME)
    found = detected(call, name, _number(data), text)
    return json_reply({"customCategoryAnalysis": {"detected": found}})


def _customized(
    call: Call, data: dict[str, Any], text: str
) -> list[dict[str, Any]] | None:
    asked = data.get("customizedCategories")
    if asked is None:
        return None
    if not isinstance(asked, list) or len(asked) > limits.MAX_INLINE:
        raise invalid(
            f"customizedCategories must be a list of at most {limits.MAX_INLINE}."
        )
    found = []
    for one in asked:
        entry = only(one, "categoryName", "version")
        name, number = text_of(entry, "categoryName", limits.MAX_NAME), _number(entry)
        if number is None:
            # The specification requires it; only the how-to calls it optional.
            raise invalid("version is required.")
        is_it = detected(call, name, number, text)
        found.append({"categoryName": name, "detected": is_it})
    return found


def _matches(call: Call, names: list[str], text: str) -> list[dict[str, str]]:
    folded, matches = text.casefold(), []
    for name in names:
        blocklist = call.state.blocklists.get(name)
        if blocklist is None:
            raise call.assumed("no such blocklist", f"There is no blocklist {name}.")
        matches += [
            {
                "blocklistName": name,
                "blocklistItemId": item.id,
                "blocklistItemText": item.text,
            }
            for item in blocklist.items.values()
            if item.text.casefold() in folded and item.since <= call.service.clock()
        ]
    return matches


def _names(data: dict[str, Any], name: str) -> list[str]:
    names = data.get(name, [])
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise invalid(f"{name} must be a list of names.")
    return names


def _number(data: dict[str, Any]) -> int | None:
    number = data.get("version")
    # To Python True is a 1.
    if number is not None and type(number) is not int:
        raise invalid("version must be a whole number.")
    return number


ROUTES = [
    route("analyze", "POST", "/text:analyze", EVERY, analyze),
    route("detect", "POST", "/text:analyzeCustomCategory", NEWER, detect),
]
