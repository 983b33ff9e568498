"""Requests about what a service keeps, in one API version: missing is not retired."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, TypeVar

from ...exceptions import Gone, NotFound, ProviderError
from ...http import Answer, Client
from .common import pages

E = TypeVar("E", bound=ProviderError)


class Asking:
    """Asks ``client`` in one API version; ``listing`` is the path of what is kept.

    ``advice`` is said where the service is retired.
    """

    def __init__(
        self, client: Client, version: str, *, listing: str, advice: str
    ) -> None:
        self._client, self.version = client, version
        self._listing, self._advice = listing, advice

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._client.alias!r}>"

    def ask(self, method: str, path: str, **options: Any) -> Answer:
        """One request. Raise a ProviderError where it isn't answered as expected."""
        params = {"api-version": self.version, **options.pop("params", {})}
        try:
            return self._client.request(method, path, params=params, **options)
        except Gone as error:
            gone = advised(error, self._advice)
        raise gone

    def find(self, path: str, **options: Any) -> Answer | None:
        """What is at ``path``; None where nothing is (any more)."""
        try:
            return self.ask("GET", path, **options)
        except NotFound:
            return None
        except Gone as error:
            if error.status != 404:
                raise
        # Assumed: what is missing may be answered as a path that nobody serves is.
        # Where the list is served, it was that.
        listed = self.ask("GET", self._listing)
        if not isinstance(listed.data.get("value"), list):
            raise listed.unreadable("has no list of values")
        return None

    def list(self, path: str = "", **params: str) -> Iterator[dict[str, Any]]:
        """All entries of a list, of all its pages."""
        asked = {"api-version": self.version, **params}
        try:
            yield from pages(self._client, path or self._listing, asked)
        except Gone as error:
            gone = advised(error, self._advice)
        else:
            return
        raise gone


def advised(error: E, words: str) -> E:
    """``error`` with ``words`` after its own."""
    more = copy.copy(error)
    more.args = (f"{error} {words}",)
    return more
