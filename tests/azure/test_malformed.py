"""Ten thousand malformed answers: nothing but errors of the family, never an *allow*.

Each stands in for a good answer, at any of a call's requests. The analyzed text is bad
in one category: were a broken answer read carelessly, nothing would be found.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from django_contentsafety.decisions import DecisionValue, Rule, decide
from django_contentsafety.exceptions import ProtocolError, ProviderError
from django_contentsafety.http import close_sessions
from django_contentsafety.providers import BuildState, RemoteVersion, RemovalState
from django_contentsafety.testing.fault_server import (
    FaultServer,
    Reply,
    answer,
    black_hole,
)

from .blobs import Blobs
from .grown import broken
from .plain import NEWER, OLDER
from .tapes import ANALYSES, KINDS, STEPS, Tape, analysis, building

#: How many answers are grown for each analysis and each step; 10,000 together. Some at
#: a time, because an example costs hypothesis more than an answer costs us.
ANALYSIS, STEP, AT_A_TIME = 800, 200, 8

#: Words that would mean something else, were they drawn by chance.
KNOWN = frozenset({"Succeeded", "BuildSucceeded"})


def rules(name: str) -> list[Rule]:
    """On the scale that each answer has: a missing one would be no *allow* anyway."""
    harm = "score" if name == "moderator" else "severity"
    scales = [
        (one, harm) if isinstance(one, str) else (one.name, "detected")
        for one in ANALYSES[name][1]
    ]
    return [
        Rule(provider="azure", category=category, scale=scale, review_at=0.5)
        for category, scale in scales
    ]


Tapes = dict[str, list[Tape]]


@pytest.fixture(scope="module")
def outcomes() -> Counter[str]:
    """What came of the answers, by code."""
    return Counter()


@pytest.fixture(scope="module")
def tapes() -> Iterator[Tapes]:
    """Recorded once; each has a server of its own."""
    with ExitStack() as stack:

        def server(*script: Any) -> FaultServer:
            return stack.enter_context(FaultServer(*(script or [black_hole()])))

        blobs = server(Blobs())
        found: Tapes = {}
        for name, (_, asked) in ANALYSES.items():
            names = [one if isinstance(one, str) else one.name for one in asked]
            found[name] = [analysis(server(), name, flagged) for flagged in names]
        for step in STEPS:
            for kind in KINDS:
                found[f"{step}, {kind}"] = [building(server(), blobs, step, kind)]
        yield found
        close_sessions()


def test_there_are_enough() -> None:
    assert len(ANALYSES) * ANALYSIS + len(KINDS) * len(STEPS) * STEP >= 10_000


def grown(data: st.DataObject, tapes: list[Tape]) -> list[tuple[Tape, int, Reply]]:
    tape = data.draw(st.sampled_from(tapes))
    place = data.draw(st.integers(0, len(tape.replies) - 1))
    answers = broken(tape.replies[place], KNOWN)
    # All of them first: what is drawn must not depend on what came of the one before.
    drawn = [data.draw(answers) for _ in range(AT_A_TIME)]
    return [(tape, place, reply) for reply in drawn]


@pytest.mark.parametrize("name", ANALYSES)
def test_a_whole_answer_says_what_it_says(tapes: Tapes, name: str) -> None:
    """The control: of a clean text it is an allow, so the scales are the answers'."""
    for tape in tapes[name]:
        verdict = tape.play(0, tape.replies[0])
        assert decide(rules(name), {"azure": verdict}).value != DecisionValue.ALLOW
    clean = analysis(tapes[name][0].server, name, "", text="a fine text")
    verdict = clean.play(0, clean.replies[0])
    assert decide(rules(name), {"azure": verdict}).value == DecisionValue.ALLOW


def says_no(reply: Reply) -> bool:
    """Whether it is a good answer all the same: that no incident matches."""
    try:
        return json.loads(reply.body).get("incidentMatches") == []
    except (ValueError, AttributeError):
        return False


@pytest.mark.parametrize("name", ANALYSES)
@settings(max_examples=ANALYSIS // AT_A_TIME, database=None)
@given(data=st.data())
def test_no_broken_answer_is_an_allow(
    tapes: Tapes, outcomes: Counter[str], name: str, data: st.DataObject
) -> None:
    for tape, place, reply in grown(data, tapes[name]):
        try:
            verdict = tape.play(place, reply)
        except ProviderError as error:
            outcomes[error.code] += 1
            assert error.code != "bug"
        else:
            value = decide(rules(name), {"azure": verdict}).value
            outcomes[value] += 1
            assert value != DecisionValue.ALLOW or says_no(reply)


def lists_nothing(reply: Reply) -> bool:
    """Whether it says that there is no such version."""
    try:
        return json.loads(reply.body).get("value") == []
    except (ValueError, AttributeError):
        return False


def is_a_name(found: Any, reply: Reply) -> None:
    assert isinstance(found, str)
    assert found.isdecimal() or found == "scam-v7"


def goes_on(found: Any, reply: Reply) -> None:
    """Nothing on the tapes has come to an end."""
    assert isinstance(found, BuildState | RemovalState)
    assert found.status == "running" or lists_nothing(reply)


def is_a_list(found: Any, reply: Reply) -> None:
    assert all(isinstance(one, RemoteVersion) for one in found)


def is_nothing(found: Any, reply: Reply) -> None:
    assert found is None


CHECKS = {
    "register": is_a_name,
    "register again": is_a_name,
    "submit": is_nothing,
    "poll": goes_on,
    "poll what is forgotten": goes_on,
    "remove": is_nothing,
    "removal": goes_on,
    "catalog": is_a_list,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", STEPS)
@settings(max_examples=STEP // AT_A_TIME, database=None)
@given(data=st.data())
def test_no_broken_answer_is_a_success(
    tapes: Tapes, outcomes: Counter[str], step: str, kind: str, data: st.DataObject
) -> None:
    for tape, place, reply in grown(data, tapes[f"{step}, {kind}"]):
        try:
            found = tape.play(place, reply)
        except ProviderError as error:
            outcomes[error.code] += 1
            assert error.code != "bug"
        else:
            outcomes[step] += 1
            CHECKS[step](found, reply)
        # Whatever it took for an answer, it did nothing twice.
        methods = [request.method for request in tape.server.requests]
        assert sum(methods.count(name) for name in ("PUT", "PATCH", "DELETE")) <= 1


@pytest.mark.parametrize("dialect", [OLDER, NEWER])
@pytest.mark.parametrize("step", ["remove", "removal", "poll what is forgotten"])
def test_an_answer_about_another_version_is_none(
    tapes: Tapes, step: str, dialect: str
) -> None:
    (tape,) = tapes[f"{step}, {dialect}"]
    place = [reply.status for reply in tape.replies].index(200)
    said = json.loads(tape.replies[place].body)
    (entry,) = said["value"]
    with pytest.raises(ProtocolError):
        tape.play(place, answer({"value": [{**entry, "version": 9}]}))


def test_so_many_were_asked(
    outcomes: Counter[str], request: pytest.FixtureRequest
) -> None:
    chosen = [item.name for item in request.session.items]
    whole = sum("no_broken_answer" in name for name in chosen)
    if whole < len(ANALYSES) + len(KINDS) * len(STEPS) or hasattr(
        request.config, "workerinput"
    ):
        return
    assert sum(outcomes.values()) >= 10_000
    # The generator breaks what it should: most are found out.
    assert outcomes["protocol"] >= 4_000
