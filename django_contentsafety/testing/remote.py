"""A small remote provider: what a real one looks like, in one page.

Its protocol is its own. ``POST /analyze`` takes ``{"text", "categories"}`` and answers
``{"scores": [{"category", "score", "severity", "detected"}, …]}``; categories are built
and deleted under ``/categories/NAME/versions/N`` and ``/operations/ID``.
``service.Service`` and ``trainer.Trainer`` play the other side of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from ..exceptions import (
    BuildFailed,
    Conflict,
    InvalidProvider,
    NotFound,
    ProviderError,
    SlotsFull,
    sealed,
)
from ..http import Answer, Client, HeaderKey, Timeouts
from ..providers.base import (
    Asked,
    BuildRequest,
    BuildState,
    CustomCategory,
    Limit,
    Progress,
    Provider,
    RemoteVersion,
    RemovalRequest,
    RemovalState,
)
from ..verdicts import CategoryScore, HarmCategory, Scale, Verdict

#: Pages of a listing: more are a service that goes round in circles.
_MOST_PAGES = 100
#: Our words for the service's; any other one is on its way.
_STATUSES = {"registered": "frozen", "succeeded": "ready", "failed": "failed"}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,63}")


class RemoteProvider(Provider):
    """Asks a service at ``endpoint``; ``key`` travels in the header ``X-Api-Key``.

    ``rate`` requests a second are allowed, ``burst`` at once; no rate = no limit.
    Timeouts are in seconds.
    """

    harm_categories = frozenset(HarmCategory.values)
    harm_scales = frozenset(Scale.values)
    custom_scales = frozenset(Scale.values)
    can_build = True
    can_list = True
    batch_size = 1

    @sealed
    def __init__(
        self,
        alias: str,
        *,
        endpoint: str,
        key: str,
        second_key: str | None = None,
        rate: float | None = None,
        burst: int = 1,
        connect_timeout: float | None = None,
        read_timeout: float | None = None,
        total_timeout: float | None = None,
    ) -> None:
        super().__init__(alias)
        if rate is not None and not (rate > 0 and burst > 0):
            raise InvalidProvider(
                f"Provider {alias!r}: rate and burst must be positive."
            )
        self._rate, self._burst = rate, burst
        self._key = HeaderKey(alias, "X-Api-Key", key)
        second = HeaderKey(alias, "X-Api-Key", second_key) if second_key else None
        self._client = Client(
            alias,
            endpoint,
            key=self._key,
            second_key=second,
            provider=type(self).__name__,
            timeouts=Timeouts.checked(
                alias, connect=connect_timeout, read=read_timeout, total=total_timeout
            ),
        )

    @property
    def credential(self) -> str:
        return self._key.fingerprint

    @property
    def limits(self) -> Mapping[str, Limit]:
        if self._rate is None:
            return {}
        return {"text": Limit(rate=self._rate, burst=self._burst)}

    def cost(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> Mapping[str, int]:
        return {"text": len(texts)}

    @sealed
    def analyze(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> list[Verdict]:
        return [self._analyze(text, categories) for text in texts]

    @sealed
    def register(self, request: BuildRequest) -> str:
        path = _version_path(request)
        answer = self._find(path)
        if answer is None:
            content = {
                "definition": request.definition,
                "samples": request.samples.decode("utf-8"),
            }
            # A conflict: a worker that is thought to be dead was quicker.
            with suppress(Conflict):
                answer = self._put(path, content)
        answer = answer or self._client.get(path)
        held = answer.data.get("sha256")
        if not isinstance(held, str):
            raise answer.unreadable("doesn't say which samples it holds")
        if held != sha256(request.samples).hexdigest():
            raise BuildFailed(
                f"The service holds other samples as v{request.version}: freeze "
                "another version.",
                alias=self.alias,
            )
        return _name(answer, "version")

    @sealed
    def submit(self, request: BuildRequest, provider_version: str) -> None:
        if self._knows(request.operation_id):
            return
        # The operation may be forgotten, or be another one's: of a build that was
        # canceled, and goes on. In any state but these two there is one.
        found = self._client.get(_version_path(request))
        if _word(found) not in ("registered", "failed"):
            return
        content = {"operation": request.operation_id, "version": provider_version}
        # A conflict: a worker that is thought to be dead was quicker.
        with suppress(Conflict):
            self._client.post("/builds", json=content, expect=(202,), may_be_empty=True)

    @sealed
    def poll(
        self, request: BuildRequest, provider_version: str, progress: Progress
    ) -> BuildState:
        # The service forgets operations sooner than versions, or knows another one.
        answer = self._find(_operation_path(request.operation_id))
        answer = answer or self._client.get(_version_path(request))
        status = _word(answer)
        if status == "registered":
            raise NotFound(
                f"The provider {self.alias!r} knows of no build of v{request.version}.",
                alias=self.alias,
            )
        code = _name(answer, "code") if status == "failed" else ""
        return BuildState(
            status=status if status in ("succeeded", "failed") else "running",
            raw_status=status,
            fraction=_number(answer, answer.data.get("fraction", 0.0), 1.0),
            error=f"The service could not build it ({code})." if code else "",
        )

    @sealed
    def remove(self, request: RemovalRequest) -> None:
        if self._knows(request.removal_id):
            return
        found = self._find(_kept_path(request))
        # Gone already, or on its way under the id of an earlier try.
        if found is None or _is_removing(found):
            return
        with suppress(NotFound):
            self._client.delete(
                _kept_path(request),
                params={"operation": request.removal_id},
                expect=(202, 204),
                may_be_empty=True,
            )

    @sealed
    def removal(self, request: RemovalRequest) -> RemovalState:
        found = self._find(_kept_path(request))
        if found is None:
            return RemovalState(status="gone", raw_status="gone")
        answer = self._find(_operation_path(request.removal_id)) or found
        if answer is found and not _is_removing(found):
            raise NotFound(
                f"The provider {self.alias!r} knows of no deletion of "
                f"v{request.version}.",
                alias=self.alias,
            )
        status = _word(answer)
        code = _name(answer, "code") if status == "failed" else ""
        return RemovalState(
            status="failed" if code else "running",
            raw_status=status,
            error=f"The service could not delete it ({code})." if code else "",
        )

    @sealed
    def catalog(self) -> list[RemoteVersion]:
        found: list[RemoteVersion] = []
        start = 0
        for _page in range(_MOST_PAGES):
            answer = self._client.get("/categories", params={"from": str(start)})
            entries = answer.data.get("value")
            if not isinstance(entries, list):
                raise answer.unreadable("has no list of versions")
            found += [_listed(answer, entry) for entry in entries]
            if not answer.data.get("more"):
                return found
            start += len(entries)
        raise answer.unreadable("has too many pages")

    def _put(self, path: str, content: dict[str, str]) -> Answer:
        try:
            return self._client.put(path, json=content, expect=(200, 201))
        except ProviderError as error:
            if error.service_code != "SlotsFull":
                raise
        held = self.catalog()
        raise SlotsFull(
            f"The service keeps {len(held)} versions, and no more.",
            limit=len(held),
            held=tuple((one.name, one.provider_version) for one in held),
            alias=self.alias,
        )

    def _knows(self, operation_id: str) -> bool:
        """Whether the service was told of it before."""
        found = self._find(_operation_path(operation_id))
        return found is not None and bool(_word(found))

    def _analyze(self, text: str, categories: Sequence[Asked]) -> Verdict:
        content = {"text": text, "categories": [_asked(one) for one in categories]}
        answer = self._client.post("/analyze", json=content)
        found = _scores(answer)
        names = [one if isinstance(one, str) else one.name for one in categories]
        if set(found) != set(names):
            raise answer.unreadable("is not about the categories asked for")
        return Verdict(
            source=self.alias,
            scores=tuple(found[name] for name in names),
            versions={
                one.name: one.version
                for one in categories
                if isinstance(one, CustomCategory)
            },
            request_id=answer.request_id,
        )

    def _find(self, path: str) -> Answer | None:
        try:
            return self._client.get(path)
        except NotFound:
            return None


def _asked(category: Asked) -> object:
    if isinstance(category, str):
        return category
    return {"name": category.name, "version": category.provider_version}


def _version_path(request: BuildRequest | RemovalRequest) -> str:
    return f"/categories/{quote(request.name, safe='')}/versions/{request.version}"


def _kept_path(request: RemovalRequest) -> str:
    """By the service's own number where we have it: one that was adopted has none of
    ours there, or another one's."""
    if not request.provider_version:
        return _version_path(request)
    name, number = quote(request.name, safe=""), quote(request.provider_version)
    return f"/categories/{name}/kept/{number}"


def _operation_path(operation_id: str) -> str:
    return f"/operations/{quote(operation_id, safe='')}"


def _listed(answer: Answer, entry: Any) -> RemoteVersion:
    if not isinstance(entry, dict):
        raise answer.unreadable("lists what is no version")
    words = [entry.get(key) for key in ("name", "version", "status", "definition")]
    if not all(isinstance(word, str) for word in words):
        raise answer.unreadable("lists a version without name, number or status")
    name, number, status, definition = map(str, words)
    removing = entry.get("removing") is True
    return RemoteVersion(
        name=name,
        provider_version=number,
        definition=definition,
        status="deleting" if removing else _STATUSES.get(status, "building"),
        raw_status=status[:100],
        created=str(entry.get("created", ""))[:40],
    )


def _is_removing(version: Answer) -> bool:
    return bool(_word(version)) and version.data.get("removing") is True


def _word(answer: Answer) -> str:
    """The service's status, whatever it is: a new word of its own is no fault."""
    status = answer.data.get("status")
    if not isinstance(status, str) or not _WORD.fullmatch(status):
        raise answer.unreadable("has no status")
    return status


def _scores(answer: Answer) -> dict[str, CategoryScore]:
    """All of the answer's, by category. Raise ProtocolError if one is not as it
    should be: half an answer would pass for *nothing found*."""
    entries = answer.data.get("scores")
    if not isinstance(entries, list):
        raise answer.unreadable("has no list of scores")
    found: dict[str, CategoryScore] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("category"), str):
            raise answer.unreadable("has a score of no category")
        severity, detected = entry.get("severity"), entry.get("detected")
        # To Python True is a 1.
        if type(severity) is not int or not 0 <= severity <= 7:
            raise answer.unreadable("has a severity that is none")
        if not isinstance(detected, bool):
            raise answer.unreadable("doesn't say whether it was detected")
        if entry["category"] in found:
            raise answer.unreadable("has two scores of one category")
        found[entry["category"]] = CategoryScore(
            category=entry["category"],
            score=_number(answer, entry.get("score"), 1.0),
            severity=severity,
            detected=detected,
        )
    return found


def _number(answer: Answer, value: Any, most: float) -> float:
    if type(value) not in (int, float) or not 0 <= value <= most:
        raise answer.unreadable("has a number that is none, or out of its range")
    return float(value)


def _name(answer: Answer, key: str) -> str:
    value = answer.data.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not value.isalnum():
        raise answer.unreadable(f"has no {key}")
    return value
