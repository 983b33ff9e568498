"""The samples of an incident: each is added once, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from django.utils.translation import gettext as _

from ...engine.samples import parse_jsonl
from ...exceptions import BuildFailed, ProtocolError, sealed
from ..base import BuildRequest
from .asking import Asking

#: Azure's documentation, custom categories (rapid): samples of an incident, code points
#: of one; the JavaScript client's: samples of one request.
MAX_SAMPLES, MAX_SAMPLE, MAX_BATCH = 1_000, 500, 100


class IncidentSamples:
    """The samples of a resource's incidents, whose paths are below ``listing``."""

    def __init__(self, alias: str, asking: Asking, listing: str) -> None:
        self.alias, self._asking, self._listing = alias, asking, listing

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    @sealed
    def all(self, incident: str) -> dict[str, str]:
        """The texts of its samples by the service's ids of them."""
        found: dict[str, str] = {}
        path = f"{self._path(incident)}/incidentSamples"
        for entry in self._asking.list(path, maxpagesize=str(MAX_BATCH)):
            key, text = entry.get("incidentSampleId"), entry.get("text")
            if not isinstance(key, str) or not isinstance(text, str):
                raise ProtocolError(
                    f"The provider {self.alias!r} lists a sample without id or text.",
                    alias=self.alias,
                )
            found[key] = text
        return found

    @sealed
    def add(self, incident: str, texts: Sequence[str]) -> int:
        """Add the texts that aren't there; return how many those are."""
        for number, text in enumerate(texts, start=1):
            self._check(number, text)
        return self.fill(incident, texts, self.all(incident))

    @sealed
    def take(self, incident: str, ids: Sequence[str]) -> None:
        """Take samples away. What is not there (any more) is no error."""
        held = self.all(incident)
        going = [key for key in dict.fromkeys(ids) if key in held]
        for at in range(0, len(going), MAX_BATCH):
            self._asking.ask(
                "POST",
                f"{self._path(incident)}:removeIncidentSamples",
                json={"incidentSampleIds": going[at : at + MAX_BATCH]},
                expect=(204,),
                may_be_empty=True,
            )

    def fill(self, incident: str, texts: Sequence[str], held: Mapping[str, str]) -> int:
        """Add those of ``texts`` that aren't among ``held``; return how many."""
        known = {folded(text) for text in held.values()}
        missing = []
        for text in texts:
            if folded(text) not in known:
                known.add(folded(text))
                missing.append(text)
        if len(held) + len(missing) > MAX_SAMPLES:
            raise BuildFailed(
                _(
                    "An incident takes at most %(most)d samples, there would be "
                    "%(have)d."
                )
                % {"most": MAX_SAMPLES, "have": len(held) + len(missing)},
                alias=self.alias,
            )
        for at in range(0, len(missing), MAX_BATCH):
            samples = [{"text": text} for text in missing[at : at + MAX_BATCH]]
            answer = self._asking.ask(
                "POST",
                f"{self._path(incident)}:addIncidentSamples",
                json={"incidentSamples": samples},
                expect=(200, 201),
            )
            added = answer.data.get("incidentSamples")
            if not isinstance(added, list) or len(added) != len(samples):
                raise answer.unreadable("doesn't list the samples that were added")
        return len(missing)

    def of(self, request: BuildRequest) -> list[str]:
        """The positive samples. Raise BuildFailed for one the service can't take."""
        parsed = parse_jsonl(request.samples, max_bytes=len(request.samples))
        if parsed.errors:
            raise BuildFailed(
                f"Line {parsed.errors[0].line} of the frozen samples can't be read.",
                alias=self.alias,
            )
        texts = []
        for line, sample in parsed.samples:
            if sample.is_positive:
                self._check(line, sample.text)
                texts.append(sample.text)
        if not texts:
            raise BuildFailed(
                _("There are no positive samples: add some first."), alias=self.alias
            )
        return texts

    def _check(self, number: int, text: str) -> None:
        if len(text) > MAX_SAMPLE:
            raise BuildFailed(
                _(
                    "Sample %(number)d has %(have)d characters, an incident's have at "
                    "most %(most)d: shorten it, and freeze another version."
                )
                % {"number": number, "have": len(text), "most": MAX_SAMPLE},
                alias=self.alias,
            )

    def _path(self, incident: str) -> str:
        return f"{self._listing}/{quote(incident, safe='')}"


def folded(text: str) -> str:
    """``text`` as two are compared: the service may keep one without white space
    around it."""
    return " ".join(text.split())
