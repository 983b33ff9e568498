"""Content Moderator v2, the private preview: probabilities, and flat errors."""

from __future__ import annotations

import json
import re

from ..fault_server import Reply, body
from . import limits, scoring
from .call import Call, route
from .dialects import MODERATOR
from .wire import CONTENT_TYPE, Refused, flat

#: Its names, and what Content Safety calls them. PII and Profanity were gone before
#: the release.
CATEGORIES = {
    "HateSpeech": "Hate",
    "SelfHarm": "SelfHarm",
    "Sexual": "Sexual",
    "Violence": "Violence",
}
#: Where nothing is found. Written as 7.484918E-4, as it was in a recorded answer.
LOW = 7.484918e-4
#: From where on it says "detected". Undocumented; recorded: 0.255 not, 0.962 yes.
THRESHOLD = 0.5


def detect(call: Call) -> Reply:
    """A score a category, in an order that changes from call to call."""
    text, asked = _read(call)
    turn = call.state.calls["moderate"] % len(asked)
    entries = [_entry(call, name, text) for name in asked[turn:] + asked[:turn]]
    content = f'{{"value":[{",".join(entries)}]}}'
    return body(content.encode(), CONTENT_TYPE)


def score(words: scoring.Words, category: str, text: str) -> float:
    """A probability from the severity that the words have; exactly 0 for no text."""
    severity = scoring.severity(words, CATEGORIES[category], text)
    return round(severity / 7 * 0.98, 7) if severity else (LOW if text else 0.0)


def _read(call: Call) -> tuple[str, list[str]]:
    try:
        data = json.loads(call.request.body)
    except ValueError:
        data = None
    text = data.get("text") if isinstance(data, dict) else None
    asked = data.get("categories") if isinstance(data, dict) else None
    if not isinstance(text, str) or set(data) - {"text", "categories"}:
        raise _refused("The body must be an object with a text.")
    if len(text) > limits.MAX_MODERATOR_TEXT:
        raise _refused(f"text is longer than {limits.MAX_MODERATOR_TEXT} characters.")
    # An empty list means all, as none does.
    asked = asked or list(CATEGORIES)
    if not isinstance(asked, list) or not set(map(str, asked)) <= set(CATEGORIES):
        raise _refused("categories has a name that is none.")
    return text, asked


def _entry(call: Call, category: str, text: str) -> str:
    value = score(call.service.words, category, text)
    shown = f"{value:E}" if 0 < value < 1e-3 else repr(value)
    # As .NET writes it: no zeros at the end, none in the exponent.
    shown = re.sub(r"0*E-0*", "E-", shown)
    detected = json.dumps(value >= THRESHOLD)
    return (
        f'{{"category":"{category}","detected":{detected},"score":{shown},'
        '"modelOutputDetail":null,"diagnoses":null}'
    )


def _refused(message: str) -> Refused:
    return Refused(flat(400, "InvalidRequestBody", message))


ROUTES = [
    route(
        "moderate",
        "POST",
        "/contentmoderator/moderate/text/detect",
        (MODERATOR,),
        detect,
    ),
]
