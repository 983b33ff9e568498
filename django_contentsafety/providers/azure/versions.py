"""Custom categories as the service speaks of them: its requests and its answers.

Of what no document says (azure-api.md §9) each guess is called *assumed* where it is
made, and so made that the other answer is understood too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ...exceptions import ProtocolError
from ...http import Answer, Client
from .asking import Asking
from .common import Dialect, word

LIST = "/text/categories"
#: How far back an own version is looked for: as many as a category could ever have
#: (five in the private preview, three since).
LOOKED_BACK = 5
#: Beyond this number nobody looks through all versions there may be.
MAX_NUMBER = 1_000
_LONGEST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A version as the service shows it."""

    name: str
    number: int
    definition: str = field(repr=False)
    #: Of its samples.
    url: str
    created: str
    #: The service's word.
    raw_status: str
    #: Ours for it: "created", "building", "ready", "failed", "deleting",
    #: "delete_failed" or "unknown".
    status: str
    data: Mapping[str, Any] = field(repr=False)

    @property
    def is_leaving(self) -> bool:
        """Whether its deletion has begun, and has not failed."""
        began = isinstance(self.data.get("deleteInfo"), dict)
        return self.status == "deleting" or (self.status == "unknown" and began)

    @property
    def build_triggered(self) -> str:
        """When it was begun to be built last; empty where nobody has, or says so."""
        said = _inner(self.data, "buildInfo", "lastBuildTriggeredTime")
        return said[:40] if isinstance(said, str) else ""

    @property
    def build_error(self) -> object:
        """What went wrong as it was built, as either dialect has it."""
        return self.data.get("errorMessage") or _inner(
            self.data, "buildInfo", "buildError"
        )

    @property
    def removal_error(self) -> object:
        """What went wrong as it was deleted."""
        return _inner(self.data, "deleteInfo", "deleteError")


class Versions:
    """Asks one service about versions, in one dialect."""

    def __init__(self, client: Client, dialect: Dialect) -> None:
        self._alias, self.dialect = client.alias, dialect
        self._asking = Asking(
            client,
            dialect.version,
            listing=LIST,
            advice="Check its endpoint and categories_api_version "
            f"({dialect.version}). Azure retired custom categories (standard) on "
            "1 September 2026: AzureIncidents builds with what lives on.",
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._alias!r}>"

    def find(self, name: str, number: int) -> Entry | None:
        """The version; None where it is not there (any more)."""
        shown = self._shown(name, number)
        for entry in shown:
            if entry.number == number:
                return entry
        if shown:
            # Taken for *gone*, it would be forgotten, and keep its place.
            raise ProtocolError(
                f"The provider {self._alias!r} was asked for v{number} of "
                f"{name}, and showed others.",
                alias=self._alias,
            )
        return None

    def latest(self, name: str) -> Iterator[Entry]:
        """Versions of a category, as far as one of late may be among them."""
        return self._all(name, LOOKED_BACK)

    def of(self, name: str) -> Iterator[Entry]:
        """Every version of a category. Raise a ProviderError rather than leave one
        out."""
        return self._all(name, MAX_NUMBER)

    def every(self) -> Iterator[Entry]:
        """Every version of every category. Raise a ProviderError rather than leave
        one out."""
        for data in self._asking.list():
            yield from self.of(_name_in(self._alias, data))

    def operation(self, operation_id: str) -> Answer | None:
        """The operation; None where nobody knows it (any more)."""
        path = f"{LIST}/operations/{quote(operation_id, safe='')}"
        answer = self._asking.find(path)
        if answer is not None and answer.data.get("id") != operation_id:
            raise answer.unreadable("is not about the operation asked for")
        return answer

    def register(self, name: str, content: Mapping[str, str]) -> Entry:
        """A new version, always: whoever calls this has looked for an own one."""
        answer = self._asking.ask("PUT", _path(name), json=content, expect=(200, 201))
        return self._read(answer, answer.data, name)

    def build(self, name: str, number: int, operation_id: str) -> None:
        """Begin to build it. The older dialect takes no id of ours."""
        headers = {"Operation-Id": operation_id} if self.dialect.has_operations else {}
        self._asking.ask(
            "POST",
            f"{_path(name)}:build",
            params={"version": str(number)},
            headers=headers,
            expect=(202,),
            may_be_empty=True,
        )

    def delete(self, name: str, number: int | None) -> None:
        """Begin to delete it; without a number the category, with all it has."""
        self._asking.ask(
            "DELETE",
            _path(name),
            params={} if number is None else {"version": str(number)},
            expect=(202, 204),
            may_be_empty=True,
        )

    def _all(self, name: str, back: int) -> Iterator[Entry]:
        shown = self._shown(name)
        yield from shown
        if len(shown) != 1:
            return
        # Assumed: where one is shown it may be the latest of several.
        newest = shown[0].number
        if newest - 1 > back == MAX_NUMBER:
            raise ProtocolError(
                f"The provider {self._alias!r} has given more than {back} "
                f"numbers of {name}: they can't all be looked at.",
                alias=self._alias,
            )
        for number in range(newest - 1, max(newest - 1 - back, 0), -1):
            found = self.find(name, number)
            if found is not None:
                yield found

    def _shown(self, name: str, number: int | None = None) -> list[Entry]:
        params = {} if number is None else {"version": str(number)}
        answer = self._asking.find(_path(name), params=params)
        if answer is None:
            return []
        entries = answer.data.get("value")
        if entries is None and "version" in answer.data:
            # The private preview showed the version itself.
            entries = [answer.data]
        if not isinstance(entries, list) or len(entries) > _LONGEST:
            raise answer.unreadable("has no list of versions")
        return [self._read(answer, entry, name) for entry in entries]

    def _read(self, answer: Answer, data: object, name: str) -> Entry:
        if not isinstance(data, dict) or data.get("categoryName") != name:
            raise answer.unreadable("is not about the category asked for")
        number = data.get("version")
        if type(number) is not int or not 0 < number < 2**31:
            raise answer.unreadable("has a version without a number")
        raw_status = word(answer, data, "status")
        return Entry(
            name=name,
            number=number,
            definition=_text(data, "definition"),
            url=_text(data, "sampleBlobUrl"),
            created=_text(data, "createdTime")[:40],
            raw_status=raw_status,
            status=self.dialect.status(raw_status),
            data=data,
        )


def _path(name: str) -> str:
    return f"{LIST}/{quote(name, safe='')}"


def _name_in(alias: str, data: Mapping[str, Any]) -> str:
    name = data.get("categoryName")
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        words = f"The provider {alias!r} lists a category without a name."
        raise ProtocolError(words, alias=alias)
    return name


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _inner(data: Mapping[str, Any], outer: str, name: str) -> object:
    info = data.get(outer)
    return info.get(name) if isinstance(info, dict) else None
