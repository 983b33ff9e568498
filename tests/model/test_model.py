"""The state machine of a row: no counterexample, and every mutant caught.

``make model EXAMPLES=20000`` runs it for longer, and writes reports/model.json.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from tests.model import world
from tests.model.machine import Moderation
from tests.model.mutants import MUTANTS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default"])

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "60"))
STEPS = int(os.environ.get("MODEL_STEPS", "40"))
#: The examples are the same in every run of one seed.
SEED = int(os.environ.get("MODEL_SEED", "1"))
#: Runs side by side, each with examples of its own.
SHARDS = int(os.environ.get("MODEL_SHARDS", "1"))
#: Examples of one seed. Few: later ones Hypothesis mostly makes from earlier ones.
BATCH = 12
#: From the first seed of one shard to that of the next.
SPREAD = 1_000_000
#: A mutant that so many examples don't catch is not caught.
MUTANT_EXAMPLES = 1000


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.CONTENTSAFETY_PROVIDERS = world.PROVIDERS
    settings.CONTENTSAFETY_STORE_TEXT = "always"
    world.make_policies()


@dataclass
class Explored:
    examples: int = 0
    steps: int = 0
    failure: AssertionError | None = None


def explore(seed: int, examples: int, **options: Any) -> Explored:
    """Run the machine with seeds from ``seed`` on, until a promise doesn't hold."""
    done = Explored()
    while done.examples < examples and done.failure is None:
        machine = type("Seeded", (Moderation,), {"examples": 0, "steps": 0})
        try:
            run_state_machine_as_test(
                hypothesis.seed(seed)(machine),
                settings=hypothesis.settings(
                    max_examples=min(BATCH, examples - done.examples),
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                    report_multiple_bugs=False,
                    **options,
                ),
            )
        except AssertionError as failure:
            done.failure = failure
        done.examples += machine.examples
        done.steps += machine.steps
        seed += 1
    return done


def report(name: str, **facts: Any) -> None:
    """One file a test, for tests.model.report to put together."""
    if folder := os.environ.get("MODEL_PARTS"):
        path = Path(folder) / f"{name}.json"
        path.write_text(json.dumps({"name": name, "steps per example": STEPS, **facts}))


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_counterexample(shard: int) -> None:
    seed = SEED + shard * SPREAD
    machine = explore(seed, -(-EXAMPLES // SHARDS))
    report(
        f"shard {shard}",
        seed=seed,
        examples=machine.examples,
        steps=machine.steps,
        counterexamples=int(machine.failure is not None),
    )
    if machine.failure is not None:
        raise machine.failure


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)
    # The first example that fails will do: nobody is going to read it.
    machine = explore(SEED, MUTANT_EXAMPLES, phases=[Phase.generate])
    report(
        name,
        mutant=True,
        seed=SEED,
        caught=machine.failure is not None,
        examples=machine.examples,
        by=str(machine.failure).partition("\n")[0],
    )
    assert machine.failure is not None, f"not caught in {machine.examples} examples"
