"""Whatever Azure and its storage answer, and whenever: a version is registered, built
and deleted once.

Each fault comes in the place of each request of a whole life, in both dialects, and a
worker dies before and after each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_contentsafety.flows import build, removing
from django_contentsafety.http import client
from django_contentsafety.providers.azure import blob as azure_blob
from django_contentsafety.testing import fault_server
from django_contentsafety.testing.azure.wire import gateway, refused
from django_contentsafety.testing.fault_server import Reply, answer, status
from django_contentsafety.testing.trainer import Fault
from tests.building import settle
from tests.lives import Nth

from .lives import WORDS, Died, World, freeze, live, read_life, world
from .plain import NEWER, OLDER

pytestmark = pytest.mark.django_db

#: The answer, and the codes with which a person may be asked for help because of it.
FAULTS: dict[str, tuple[Reply, set[str]]] = {
    "400": (refused(400, "InvalidRequestBody", "No.").reply, {"content"}),
    "401": (gateway(401, "Access denied."), {"config"}),
    # A service that says so of what is there is believed, or looked at again.
    "404, coded": (refused(404, "ResourceNotFound", "No.").reply, {"missing"}),
    "404": (gateway(404, "Resource not found"), {"gone", "missing"}),
    "409": (refused(409, "Conflict", "No.").reply, set()),
    "410": (status(410), {"gone"}),
    "429": (gateway(429, "Try again in 7 seconds."), set()),
    "500": (status(500), set()),
    "a timeout": (fault_server.black_hole(), set()),
    "a reset": (fault_server.reset(), set()),
    "another JSON": (answer({"hello": "world"}), set()),
    "an unknown word": (answer({"status": "Rebalancing"}), set()),
}
#: What changes something there, and may have done so before the answer failed.
ACTING = {"upload", "register", "build", "remove", "delete blob"} | {
    *("incident", "add samples", "deploy", "remove incident")
}
#: How an answer gets lost after that.
LOST = {"409", "500", "a timeout", "a reset", "another JSON"}
#: Where nothing is to be changed, one of each kind.
OF_LOOKS = {"401", "404, coded", "404", "500", "a reset", "another JSON"}
#: Of these answers storage says nothing: it has no JSON, and any 2xx is a yes.
NOT_OF_STORAGE = {"another JSON", "an unknown word"}
OF_STORAGE = {"upload", "delete blob"}

#: A life beside those of the two API versions.
INCIDENTS = "incidents"
#: Of a life in which all goes well, in order; held by the first test.
STEPS: dict[str, list[str]] = {
    OLDER: [
        *("look", "upload", "register", "look", "build", *["look"] * len(WORDS)),
        *("look", "remove", "look", "look", "delete blob"),
    ],
    NEWER: [
        *("look", "upload", "register", "operation", "look", "build"),
        *["operation"] * len(WORDS),
        *("look", "remove", "look", "delete blob"),
    ],
    INCIDENTS: [
        *("look at incident", "incident", "samples", "add samples", "add samples"),
        *("incident operation", "deploy", *["incident operation"] * len(WORDS)),
        *("look at incident", "remove incident", "look at incident"),
    ],
}


NAMES = {OLDER: "05", NEWER: "09", INCIDENTS: INCIDENTS}


def cases() -> Iterator[Any]:
    for life, steps in STEPS.items():
        for number, step in enumerate(steps):
            if number and steps[number - 1] == step and step not in ACTING:
                continue  # A look as the one before it.
            names = set(FAULTS) if step in ACTING else OF_LOOKS
            names -= NOT_OF_STORAGE if step in OF_STORAGE else set()
            for name in sorted(names):
                for acts in {False, step in ACTING and name in LOST}:
                    words = f"{NAMES[life]} {number} {step}, {name}{', done' * acts}"
                    yield pytest.param(life, number, name, acts, id=words)


def once(site: World, life: str) -> None:
    """All that should happen once happened once."""
    begun = site.begun()
    if life == INCIDENTS:
        assert begun["deployments"] == {"scam-v1": 1}
        assert (
            len(site.incidents["scam-v1"]) == 120 == len(set(*site.incidents.values()))
        )
        calls = site.azure.state.calls
        assert (calls["incident"], calls["remove incident"]) == (1, 1)
        return
    (blob,) = site.blobs.created
    assert begun["registrations"] == {"scam": 1}
    assert begun["builds"] == {"scam/1": 1}
    assert begun["removals"] == {"scam/1": 1}
    assert begun["blobs"] == {blob: 1}
    assert set(begun["blobs deleted"].values()) <= {1}


@pytest.mark.parametrize("life", STEPS)
def test_a_life_in_which_all_goes_well(settings: Any, life: str) -> None:
    chance = Nth()
    site, frozen, asked = live(settings, life, chance)
    assert chance.steps == STEPS[life]
    name = "scam-v1" if life == INCIDENTS else "1"
    assert (frozen.status, frozen.provider_version, asked) == ("deleted", name, [])
    once(site, life)
    assert not site.blobs.held


@pytest.mark.parametrize(("life", "number", "name", "acts"), list(cases()))
def test_each_fault_at_each_step(
    settings: Any, life: str, number: int, name: str, acts: bool
) -> None:
    step = STEPS[life][number]
    reply, codes = FAULTS[name]
    site, frozen, asked = live(settings, life, Nth(number, Fault(reply, acts)))
    assert frozen.status == "deleted"
    once(site, life)
    assert len(asked) <= 1
    removing_from = len(STEPS[life]) - (3 if life == INCIDENTS else 4)
    if number < removing_from - (life == OLDER):
        assert set(asked) <= codes
    elif not codes:
        assert asked == []
    # Only where storage itself said that there was no such blob it was left alone.
    left = step == "delete blob" and name == "404, coded" and not acts
    assert bool(site.blobs.held) == left


@pytest.mark.parametrize(
    ("life", "number", "late"),
    [
        pytest.param(life, number, late, id=f"{NAMES[life]} {number} {step} {late}")
        for life, steps in STEPS.items()
        for number, step in enumerate(steps)
        # After a look nothing is to be remembered: it is as before what comes next.
        for late in ([False, True] if step in ACTING else [False])
    ],
)
def test_a_worker_dies_at_each_step(
    settings: Any, monkeypatch: Any, life: str, number: int, late: bool
) -> None:
    """As by SIGKILL: nothing of ours is done after it, and its lease has to run out."""
    asked = 0

    def dying(work: Any) -> Any:
        def do(*args: Any, **kwargs: Any) -> Any:
            nonlocal asked
            mine, asked = asked, asked + 1
            if mine == number and not late:
                raise Died
            result = work(*args, **kwargs)
            if mine == number:
                raise Died
            return result

        return do

    monkeypatch.setattr(client, "exchange", dying(client.exchange))
    monkeypatch.setattr(azure_blob, "lend", dying(azure_blob.lend))
    deaths = 0

    def work_on() -> None:
        nonlocal deaths
        try:
            settle()
        except Died:
            deaths += 1
            settle()

    provider, version = read_life(life)
    with world(settings, version, script=WORDS, refuses=False) as site:
        frozen = freeze(provider)
        build.start(frozen, by="7")
        work_on()
        frozen.refresh_from_db()
        assert frozen.status == "ready"
        site.look()
        removing.delete(frozen, by="7")
        work_on()
        frozen.refresh_from_db()
    assert frozen.status == "deleted"
    assert deaths == 1
    once(site, life)
    assert not site.blobs.held
