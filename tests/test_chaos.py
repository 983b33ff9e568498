"""The storm's own instruments: a search that finds, a report that fails.

The storm itself is ``make chaos``; this is what it is measured with.
"""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import canaries, journal, report, texts
from tests.chaos.killer import SMALL, promised
from tests.chaos.report import ZEROS

SECRET = "TEXTCANARY0123456789abcdef"


# --- The canary -------------------------------------------------------------------


@pytest.mark.parametrize("before", range(6))
def test_a_secret_is_found_within_base64(tmp_path: Path, before: int) -> None:
    """Wherever in the packed text it stands: Kombu packs what it sends to Redis."""
    packed = base64.b64encode(b"[" * before + SECRET.encode() + b'", "more"]')
    path = tmp_path / "recording"
    path.write_bytes(b'{"body": "' + packed + b'"}')
    found = canaries.search([path], {"text": canaries.needles(SECRET)})
    assert found["hits"]["text"] == 1


def test_a_secret_is_found_at_the_edge_of_a_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canaries, "PIECE", 64)
    path = tmp_path / "log"
    for before in range(130):
        path.write_bytes(b"." * before + SECRET.encode() + b"." * 70)
        found = canaries.search([path], {"text": canaries.needles(SECRET)})
        assert found["hits"]["text"] == 1, before


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(base64.b64encode(bytes(range(256))) + SECRET[:-1].encode())
    found = canaries.search([path], {"text": canaries.needles(SECRET)})
    assert found["hits"]["text"] == 0
    assert found["bytes"] == path.stat().st_size


# --- Texts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "words", "decision"),
    [
        ("posts", "fine lewd", "allow"),
        ("posts", "bad plain", "block"),
        ("words", "bad plain", "allow"),
        ("words", "bad lewd", "block"),
        ("replies", "fine plain", "allow"),
        ("replies", "dubious plain", "review"),
        ("replies", "dubious lewd", "block"),
    ],
)
def test_what_a_text_deserves(policy: str, words: str, decision: str) -> None:
    assert texts.deserves(policy, f"{SECRET} id-0.1.2 {words}") == decision


def test_every_text_has_an_id_of_its_own() -> None:
    text = texts.make(random.Random(1), "0.3.17", SECRET)  # noqa: S311
    assert texts.id_of(text) == "0.3.17"


# --- The journal ------------------------------------------------------------------


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal-0.jsonl"
    book = journal.Journal(path)
    facts: dict[str, Any] = {"op": "create", "model": "chaos.post", "naive": False}
    after = {"saves": 1, "error": "", "rolled_keys": [], "at": 1.0, "seconds": 0.1}
    book.write(phase="before", rolls=[], deletes="", **facts)
    book.write(phase="after", **facts, **after)
    book.write(phase="before", rolls=["0.0.9"], deletes="7", **facts)
    with path.open("ab") as file:
        file.write(json.dumps({"phase": "after", **facts, **after}).encode()[:-5])
    told = journal.tell(tmp_path)
    assert (told.saves, told.unknown) == (1, 1)
    # Rolled back whatever became of it; and perhaps deleted.
    assert told.rolled_back == {"0.0.9"}
    assert told.deleted_keys == {("chaos.post", "7")}


def test_an_error_that_reached_a_user_is_told(tmp_path: Path) -> None:
    book = journal.Journal(tmp_path / "journal-1.jsonl")
    facts: dict[str, Any] = {"op": "edit", "model": "chaos.post", "naive": False}
    book.write(phase="before", rolls=[], deletes="", **facts)
    after = {"saves": 0, "rolled_keys": [], "at": 1.0, "seconds": 0.1}
    book.write(phase="after", **facts, **after, error="OperationalError: deadlock")
    told = journal.tell(tmp_path)
    assert told.errors == ["edit: OperationalError: deadlock"]
    assert told.saves == 0


# --- The report -------------------------------------------------------------------


def kept(**changes: Any) -> dict[str, Any]:
    """A storm's part of the report in which every promise is kept."""
    sink = {"bytes": 1000, "hits": 0, "expected": 1}
    return {
        **dict.fromkeys(ZEROS, 0),
        "of": dict.fromkeys(ZEROS, 100),
        "saves": 1500,
        "kills": promised(1500),
        "promised": promised(1500),
        "canary": {"logs": sink, "broker": sink, "results": sink},
        "savers_crashed": [],
        "leases_lost": 1,
        "fault_share": 0.32,
        **changes,
    }


def test_a_storm_that_kept_its_promises_passes() -> None:
    assert report.broken(kept(), 1500) == []


@pytest.mark.parametrize("name", ZEROS)
def test_every_zero_has_to_be_one(name: str) -> None:
    (problem,) = report.broken(kept(**{name: 1}), 1500)
    assert problem.startswith(f"{name} is 1 (of 100 ")


@pytest.mark.parametrize("kind", SMALL)
def test_a_storm_that_kills_fewer_than_it_promised_fails(kind: str) -> None:
    kills = promised(1500)
    kills[kind] -= 1
    (problem,) = report.broken(kept(kills=kills), 1500)
    assert f"kills of {kind}" in problem


@pytest.mark.parametrize(
    "changes",
    [
        {"saves": 1499},
        {"fault_share": 0.2},
        {"leases_lost": 0},
        {"savers_crashed": ["saver-0"]},
        {"canary": {"logs": {"bytes": 9, "hits": 1, "expected": 1}}},
        # Nothing was recorded, so nothing was searched.
        {"canary": {"broker": {"bytes": 0, "hits": 0, "expected": 0}}},
    ],
)
def test_what_else_makes_it_fail(changes: dict[str, Any]) -> None:
    assert len(report.broken(kept(**changes), 1500)) == 1


def test_the_promised_kills_grow_with_the_storm() -> None:
    small, large = promised(1500), promised(10_000)
    assert small == {
        "broker": 8,
        "worker": 6,
        "pool_child": 10,
        "sweeper": 4,
        "saver": 4,
        "connection": 5,
    }
    assert large["broker"] >= 50
    kills = ("worker", "pool_child", "sweeper", "saver")
    assert sum(large[kind] for kind in kills) >= 200
    assert all(number >= 1 for number in promised(100).values())


def test_quantiles_tell_of_how_many() -> None:
    assert report.quantiles([]) == {"n": 0}
    found = report.quantiles([float(number) for number in range(1, 101)])
    assert found == {"n": 100, "p50": 51.0, "p95": 96.0, "p99": 100.0, "max": 100.0}
