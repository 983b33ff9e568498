"""What became of the demo's messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django_contentsafety.flows import moderate
from django_contentsafety.models import ModerationResult, ModerationState

from .messages import Message
from .training import POLICY

MODEL = "guestbook.entry"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A message and its decision; ``decision`` is the state while there is none."""

    message: Message
    decision: str
    category: str
    score: float | None

    @property
    def held(self) -> bool:
        return self.decision in ("review", "block")


def wait(keys: Sequence[int], seconds: float, progress: Callable[[float], None]) -> int:
    """Help to decide what is due, for ``seconds`` at most; return how many are left."""
    undecided = ModerationState.objects.using("default").filter(
        model=MODEL,
        policy=POLICY,
        object_key__in=[str(key) for key in keys],
        state__in=[ModerationState.State.PENDING, ModerationState.State.LEASED],
    )
    deadline = time.monotonic() + seconds
    while left := undecided.count():
        if time.monotonic() > deadline:
            break
        progress(1 - left / len(keys))
        moderate.drain("default")
        if undecided.count() == left:
            # Another worker's, or due again a little later.
            time.sleep(0.2)
    return left


def collect(messages: Sequence[Message], keys: Sequence[int]) -> list[Outcome]:
    """Read each message's decision, and the score that mattered most."""
    return [_outcome(*pair) for pair in zip(messages, keys, strict=True)]


def _outcome(message: Message, key: int) -> Outcome:
    state = (
        ModerationState.objects.using("default")
        .filter(model=MODEL, object_key=str(key), policy=POLICY)
        .first()
    )
    if state is None:
        return Outcome(message, "not seen", "", None)
    decision = state.decision or state.state
    scores = _scores(state)
    if not scores:
        return Outcome(message, decision, "", None)
    # Scores of two categories are no measure of each other; what was detected is.
    top = max(scores, key=lambda score: (bool(score["detected"]), score["score"]))
    return Outcome(message, decision, top["category"], top["score"])


def _scores(state: ModerationState) -> list[dict[str, Any]]:
    results = ModerationResult.objects.using("default").filter(
        state_id=state.pk, generation=state.generation
    )
    return [
        score
        for result in results
        for score in result.scores
        if score["score"] is not None
    ]
