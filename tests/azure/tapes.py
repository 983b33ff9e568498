"""Calls of the Azure providers, and the good answers to them, on tape.

A tape is played with one of its answers replaced, at any place.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django_contentsafety.exceptions import NotFound
from django_contentsafety.providers import CustomCategory
from django_contentsafety.providers.azure.blob import SampleBlobs
from django_contentsafety.providers.azure.building import Builder
from django_contentsafety.providers.azure.categories import Categories
from django_contentsafety.providers.azure.common import connect, dialect_of
from django_contentsafety.providers.azure.deployments import Incidents
from django_contentsafety.providers.azure_content_moderator import (
    AzureContentModerator,
)
from django_contentsafety.providers.azure_content_safety import AzureContentSafety
from django_contentsafety.providers.azure_incidents import AzureIncidents
from django_contentsafety.testing.azure import AzureService
from django_contentsafety.testing.azure.state import Blocklist, Incident, Item, Version
from django_contentsafety.testing.fault_server import FaultServer, Reply, Request

from .blobs import build_request, connection_string, removal_request
from .plain import KEY, NEWER, OLDER

#: Seconds; a broken length is waited for, and this is how long.
TIMEOUTS = {"connect_timeout": 5, "read_timeout": 0.25, "total_timeout": 20}
BAD = "a zug text"
HARM = ("Hate", "SelfHarm", "Sexual", "Violence")


@dataclass
class Tape:
    """What one call is answered when all is well."""

    server: FaultServer
    call: Callable[[], Any]
    replies: list[Reply] = field(default_factory=list)

    def record(self, service: AzureService) -> None:
        def script(request: Request) -> Reply:
            self.replies.append(service(request))
            return self.replies[-1]

        self.server.play(script)
        # That nobody knows of it is an answer, too.
        with suppress(NotFound):
            self.call()

    def play(self, place: int, reply: Reply) -> Any:
        """The call again, with ``reply`` in this place."""
        replies = list(self.replies)
        replies[place] = reply
        self.server.play(*replies)
        return self.call()


def stocked(*, flagged: str = "", status: str = "succeeded") -> AzureService:
    """A service with something of everything. ``BAD`` is only in ``flagged``."""
    service = AzureService(
        words={"zug": {flagged: 6}}, script=["running"], removal=["deleting"]
    )
    state = service.state
    for name in ("scam", "spam"):
        state.versions[name] = {
            number: Version(
                name=name,
                number=number,
                definition="Scams.",
                blob_url=f"http://127.0.0.1:9/account/samples/{name}-{number}.jsonl",
                copy_url="",
                created="2026-11-22T08:00:00.0000000Z",
                samples=b"",
                status=status,
            )
            for number in (1, 2)
        }
        state.numbers[name] = 2
    state.incidents["raid"] = Incident(
        name="raid",
        definition="A raid.",
        created="",
        updated="",
        deployed=[],
        status="succeeded",
    )
    item = Item(id="0" * 32, text="zug")
    state.blocklists["bad"] = Blocklist(name="bad", items={item.id: item})
    return service


def custom(name: str, version: str) -> CustomCategory:
    return CustomCategory(name=name, version=1, provider_version=version, load=bytes)


#: What is asked, and how.
ANALYSES: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "four levels": ({}, list(HARM)),
    "eight levels": ({"levels": "eight"}, list(HARM)),
    "older dialect": (
        {"categories_api_version": OLDER},
        ["Hate", custom("scam", "2"), custom("spam", "1")],
    ),
    "newer dialect": (
        {"categories_api_version": NEWER},
        ["Violence", custom("scam", "2")],
    ),
    "incidents": ({}, [custom("raid", "raid")]),
    "halted": (
        {"blocklists": ["bad"], "halt_on_blocklist_hit": True},
        list(HARM),
    ),
    "moderator": ({}, list(HARM)),
}


def analysis(server: FaultServer, name: str, flagged: str, text: str = BAD) -> Tape:
    """The analysis of a text that is bad in one category."""
    options, asked = ANALYSES[name]
    others = {"moderator": AzureContentModerator, "incidents": AzureIncidents}
    kind = others.get(name, AzureContentSafety)
    given = {"endpoint": server.url, "key": KEY, **TIMEOUTS, **options}

    def call() -> Any:
        # Another one each time: it remembers what it was told.
        (verdict,) = kind("azure", **given).analyze([text], asked)
        return verdict

    tape = Tape(server, call)
    tape.record(stocked(flagged=flagged))
    return tape


def _nobody(*at: object) -> None:
    pass


def building(server: FaultServer, blobs: FaultServer, name: str, kind: str) -> Tape:
    """One step of a version's life, up to which all went well.

    ``kind`` is a dialect's API version, or "incidents".
    """
    builder = _builder(server, blobs, kind)
    service = stocked(status="registered")
    service.max_versions = 5
    number = "scam-v1" if kind == "incidents" else "1"
    removal = replace(removal_request("", 1), provider_version=number)
    request = build_request(1, operation_id="cs-1-0")
    new = build_request(7, operation_id="cs-7-0")
    steps: dict[str, Callable[[], Any]] = {
        "register": partial(builder.register, new),
        "register again": partial(builder.register, new),
        "submit": partial(builder.submit, request, number),
        "poll": partial(builder.poll, request, number),
        "poll what is forgotten": partial(builder.poll, request, number),
        "remove": partial(builder.remove, removal),
        "removal": partial(builder.removal, removal),
        "catalog": builder.catalog,
    }
    server.play(service)
    if kind == "incidents":
        builder.register(request)
    if name == "register again":
        builder.register(new)
    if name.startswith("poll"):
        builder.submit(request, number)
    if name == "poll what is forgotten":
        service.forget_operations()
    if name == "removal" and kind == OLDER:
        builder.remove(removal)
    if name == "removal" and kind == NEWER:
        # Its deletion is done at once, so that it isn't done is all there is.
        service.state.versions["scam"][1].status = "running"
    if name == "catalog":
        service.page_size = 1
    tape = Tape(server, steps[name])
    tape.record(service)
    return tape


def _builder(server: FaultServer, blobs: FaultServer, kind: str) -> Builder:
    client = connect("azure", endpoint=server.url, key=KEY, **TIMEOUTS)
    if kind == "incidents":
        return Incidents("azure", client, NEWER)
    samples = SampleBlobs(
        "azure", container="samples", connection_string=connection_string(blobs.url)
    )
    return Categories("azure", client, dialect_of("azure", kind), samples)


#: The ways to build.
KINDS = (OLDER, NEWER, "incidents")
STEPS = (
    "register",
    "register again",
    "submit",
    "poll",
    "poll what is forgotten",
    "remove",
    "removal",
    "catalog",
)
