"""What the service itself says of a build that failed, as far as it may be shown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: The longest of the service's own reasons that is shown.
MAX_WORDS = 300
#: So many characters of a sample in a row are a quotation.
QUOTED = 12
#: A sample of at least so many characters is one whole.
WHOLE = 4

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
#: What the service appends to its messages (azure-api.md §3, R3).
_TAIL = re.compile(r"\s*\|\s*Request Id:.*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why the service could not do it, as far as it may be shown."""

    code: str = ""
    message: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.code, self.message) if part)


def reason(error: object, *, samples: bytes = b"", name: str = "") -> Reason:
    """The service's own reason: its code, and its words where they quote no sample.

    ``error`` is the service's error object (``{"error": …}`` too), or a message alone.
    An analysis' error is never read so: it may quote the text. A build's is the
    site's own business, so its words are shown, in one line of at most 300 printable
    characters, unless twelve characters in a row, or a whole sample, of ``samples``
    (the frozen JSONL) stand in them. ``name``, the category's, is no quotation.
    """
    if isinstance(error, Mapping) and isinstance(error.get("error"), Mapping):
        error = error["error"]
    code, message = "", error
    if isinstance(error, Mapping):
        found, message = error.get("code"), error.get("message")
        code = found if isinstance(found, str) and _CODE.fullmatch(found) else ""
    if not isinstance(message, str):
        message = ""
    words = " ".join(_TAIL.sub("", message[:4096]).split())[:MAX_WORDS]
    shown = "".join(c if c.isprintable() else "\ufffd" for c in words)
    texts = _texts(samples)
    return Reason(
        code="" if _quotes(code, name, texts) else code,
        message="" if _quotes(shown, name, texts) else shown,
    )


def _texts(samples: bytes) -> Sequence[str]:
    """The samples' texts, in lower case and with single spaces."""
    texts = []
    for line in samples.splitlines():
        try:
            text = json.loads(line).get("text", "")
        except (ValueError, AttributeError, RecursionError):
            text = line.decode("utf-8", "replace")
        texts.append(" ".join(str(text).casefold().split()))
    return texts


def _quotes(words: str, name: str, texts: Sequence[str]) -> bool:
    said = " ".join(words.replace(name or "\0", " ").casefold().split())
    if any(len(text) >= WHOLE and text in said for text in texts):
        return True
    # A character that no text has, so that nothing is found across two of them.
    everything = "\0".join(texts)
    places = range(max(len(said) - QUOTED + 1, 0))
    return any(said[at : at + QUOTED] in everything for at in places)
