"""What the steps are drawn from: who does what, how often, with which arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.model import world

#: Few, so that texts come back: A → B → A is where a verdict may meet another text.
TEXTS = st.sampled_from(["fine", "dubious", "bad", "fine too"])
INDEX = st.integers(0, 3)
#: Mostly none: a verdict has to come in for something to be wrong with it.
FAULTS = st.sampled_from([*[None] * 3 * len(world.FAULTS), *sorted(world.FAULTS)])
UNSEEN = st.sampled_from(["text", "text", "draft", "delete"])
ROUNDS = st.sampled_from(["reanalyze", "reanalyze", "redecide", "call off"])
#: What a saver may hold at once, and a site; small, so that steps meet.
INSTANCES, OBJECTS, WORKERS = 4, 3, 3


@dataclass(frozen=True)
class Act:
    """One step with its arguments."""

    name: str
    arguments: dict[str, Any]

    def __repr__(self) -> str:
        arguments = (f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.name}({', '.join(arguments)})"


#: The steps by name, each as often as it is to be drawn.
STEPS: dict[str, st.SearchStrategy[Act]] = {}
OFTEN: list[str] = []


def step(*, often: int = 1, **arguments: Any) -> Callable[[Any], Any]:
    """A step of somebody; ``often`` is its weight."""

    def add(function: Any) -> Any:
        name = function.__name__
        drawn = st.fixed_dictionaries(arguments)
        STEPS[name] = st.builds(Act, st.just(name), drawn)
        OFTEN.extend([name] * often)
        return function

    return add


@st.composite
def acts(draw: Any) -> Act:
    # One rule for all: of several Hypothesis leaves out half in each example, and what
    # is looked for here needs a saver, a worker and a housekeeper at once.
    act: Act = draw(STEPS[draw(st.sampled_from(OFTEN))])
    return act
