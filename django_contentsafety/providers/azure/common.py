"""What all Azure calls share: versions and dialects, pages, and its own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ...exceptions import InvalidProvider, ProtocolError, sealed
from ...http import Answer, Client, Timeouts
from .auth import CLOUDS, Cloud, authentication, cloud_of
from .reasons import Reason, reason

__all__ = [
    "CATEGORY_NAME",
    "CLOUDS",
    "DIALECTS",
    "GA",
    "SUPPORTED",
    "VERSIONS",
    "Cloud",
    "Dialect",
    "Reason",
    "cloud_of",
    "connect",
    "dialect_of",
    "pages",
    "reason",
    "word",
]

#: The API version of ``text:analyze`` and of blocklists (azure-api.md §2.1).
GA = "2024-09-01"

#: What a custom category and an incident may be called (azure-api.md §2.4): at most 64
#: characters, letters, digits and inner hyphens.
CATEGORY_NAME = re.compile(r"(?=.{1,64}\Z)(?=[a-zA-Z0-9])[a-zA-Z0-9-]*[a-zA-Z0-9]")

#: Pages that are followed of one list: 100 incidents or 15 versions need far fewer.
MAX_PAGES = 100

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one API version speaks of custom categories (azure-api.md §2.6)."""

    #: The API version.
    version: str
    #: Asked about inside ``text:analyze``; else one by one, ``analyzeCustomCategory``.
    is_inline: bool
    #: The longest text of one such request in code points.
    max_text_length: int
    #: The most categories of one such request.
    max_categories: int
    #: Whether ``:build`` starts an operation that can be asked for.
    has_operations: bool
    #: Whether the PUT takes a ``blobDelimiter``.
    has_delimiter: bool
    #: The field that names the service's own copy of the samples.
    copy_field: str
    #: The service's words for a version's status, in ours: "created", "building",
    #: "ready", "failed", "deleting", "delete_failed". Any other is polled on.
    statuses: Mapping[str, str]

    def status(self, raw: str) -> str:
        """Our word for one of the service's; "unknown" where we have none."""
        return self.statuses.get(raw, "unknown")


_INLINE_STATUSES = MappingProxyType(
    {
        "BuildNotStarted": "created",
        "Building": "building",
        "BuildSucceeded": "ready",
        "BuildFailed": "failed",
        "Deleting": "deleting",
        "DeleteFailed": "delete_failed",
    }
)
_STATUSES = MappingProxyType(
    {
        "NotStarted": "created",
        "Running": "building",
        "Succeeded": "ready",
        "Failed": "failed",
    }
)


def _newer(version: str) -> Dialect:
    return Dialect(
        version=version,
        is_inline=False,
        max_text_length=1_000,
        max_categories=1,
        has_operations=True,
        has_delimiter=False,
        copy_field="sampleBlobSnapshotUrl",
        statuses=_STATUSES,
    )


#: By API version. The public preview's docs used the calls of September 2024 under
#: 2024-02-15-preview before (azure-api.md §0).
DIALECTS: Mapping[str, Dialect] = {
    dialect.version: dialect
    for dialect in (
        Dialect(
            version="2024-05-15-preview",
            is_inline=True,
            max_text_length=10_000,
            max_categories=5,
            has_operations=False,
            has_delimiter=True,
            copy_field="sampleBlobCopyUrl",
            statuses=_INLINE_STATUSES,
        ),
        _newer("2024-02-15-preview"),
        _newer("2024-09-15-preview"),
        _newer("2024-09-30-preview"),
    )
}

#: Versions whose ``text:analyze`` is as we know it (azure-api.md §2.1).
VERSIONS = (GA, "2023-10-01", "2024-03-30-preview", *DIALECTS)
#: Those that the service supports since 1 March 2025 (§5).
SUPPORTED = (GA, "2024-09-15-preview", "2024-09-30-preview")


def dialect_of(alias: str, version: object) -> Dialect:
    """The dialect of an API version. Raise InvalidProvider for an unknown one."""
    if not isinstance(version, str) or version not in DIALECTS:
        raise InvalidProvider(
            f"Provider {alias!r}: categories_api_version must be one of "
            f"{', '.join(sorted(DIALECTS))}."
        )
    return DIALECTS[version]


@sealed
def connect(
    alias: str,
    *,
    endpoint: object,
    key: object = None,
    second_key: object = None,
    credential: object = None,
    cloud: object = "public",
    product: str = "contentsafety",
    provider: str = "AzureContentSafety",
    connect_timeout: object = None,
    read_timeout: object = None,
    total_timeout: object = None,
) -> Client:
    """A client of the resource at ``endpoint``; its paths begin below ``product``.

    ``key`` (and ``second_key``, while keys are rotated) or ``credential``, an Entra
    identity: see ``auth``. ``cloud`` is a name of ``CLOUDS``. ``product`` is
    "contentsafety" or "contentmoderator". Timeouts are in seconds. Opens no connection.
    Raise InvalidProvider for what can't work.
    """
    first, second = authentication(
        alias,
        key=key,
        second_key=second_key,
        credential=credential,
        cloud=cloud_of(alias, cloud),
    )
    plain = endpoint.rstrip("/") if isinstance(endpoint, str) else endpoint
    if isinstance(plain, str) and plain.lower().endswith(f"/{product}"):
        raise InvalidProvider(
            f"Provider {alias!r}: its endpoint ends in /{product}, which is added to "
            "it: leave the path off."
        )
    # Below the product, so that no nextLink leads to another one of the resource.
    below = f"{plain}/{product}" if isinstance(plain, str) and plain else plain
    return Client(
        alias,
        below,
        key=first,
        second_key=second,
        provider=provider,
        timeouts=Timeouts.checked(
            alias, connect=connect_timeout, read=read_timeout, total=total_timeout
        ),
    )


def pages(
    client: Client, path: str, params: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """The entries of a list, page after page, while it has a ``nextLink``.

    Raise ProtocolError for a page that is none, a link that leads elsewhere, and a
    list that has no end.
    """
    answer = client.get(path, params=params)
    for _page in range(MAX_PAGES):
        entries = answer.data.get("value")
        if not isinstance(entries, list):
            raise answer.unreadable("has no list of values")
        for entry in entries:
            if not isinstance(entry, dict):
                raise answer.unreadable("lists what is no object")
            yield entry
        link = answer.data.get("nextLink")
        if link is None or link == "":
            return
        if not isinstance(link, str):
            raise answer.unreadable("has a nextLink that is none")
        answer = client.get(client.path_of(link))
    raise ProtocolError(
        f"The provider {client.alias!r} gave a list of more than {MAX_PAGES} pages.",
        alias=client.alias,
    )


def word(answer: Answer, data: Mapping[str, Any], name: str) -> str:
    """A status, whatever it is: a new word of the service's is no fault.

    Raise ProtocolError where there is none, or it is no word.
    """
    value = data.get(name)
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise answer.unreadable(f"has no {name}")
    return value
