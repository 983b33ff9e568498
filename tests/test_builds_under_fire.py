"""What the report of a run must fail for. The run itself is ``make builds``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builds.fire import promised
from tests.builds.report import ZEROS, broken


def kept(**changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        **dict.fromkeys(ZEROS, 0),
        **promised(60),
        "builds": 60,
        "finished": 60,
        "unfinished": {},
        "remote": 30,
        "started": 30,
        "deletions": 10,
        "deleted": 10,
        "ended_by_themselves": 0,
        "faults": 7,
    }
    return facts | changes


def test_a_run_that_kept_its_promises_passes() -> None:
    assert broken(kept(), promised(60)) == []


@pytest.mark.parametrize(
    "changes",
    [
        *({name: 1} for name in ZEROS),
        {"finished": 59, "unfinished": {"building": 1}},
        {"started": 29},
        {"deleted": 9},
        {"kills": promised(60)["kills"] - 1},
        # Kills that met nobody at work prove nothing.
        {"steps_cut": promised(60)["steps_cut"] - 1},
        {"ended_by_themselves": 1},
        {"faults": 0},
    ],
    ids=str,
)
def test_each_broken_promise_fails_it(changes: dict[str, Any]) -> None:
    assert len(broken(kept(**changes), promised(60))) == 1


def test_a_larger_run_promises_more() -> None:
    assert promised(500) == {"kills": 250, "steps_cut": 41}
    assert all(number >= 1 for number in promised(1).values())
