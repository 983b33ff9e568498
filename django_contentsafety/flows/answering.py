"""A text is judged now, for a caller that waits; nothing is stored."""

from __future__ import annotations

from ..decisions import Decision
from ..exceptions import DeadlineExceeded, RefusedError, sealed
from ..http import is_over, within
from ..verdicts import Verdict
from .plans import load_plan


@sealed
def moderate_text(
    text: str, *, policy: str, deadline_ms: float | None = None
) -> Decision:
    """What the policy with this slug decides about ``text`` now. Nothing is stored.

    Within ``deadline_ms`` milliseconds there is an answer or DeadlineExceeded, except
    that an in-process provider isn't interrupted; None = the providers' own timeouts
    alone. Quotas and breakers hold as for saved texts.

    Raise RefusedError where there is no such policy, or it is off or can't decide
    anything, and a ProviderError where a source gave no answer (RateLimited with the
    seconds to wait in ``retry_after``): neither is ever an *allow*. All of them are
    ContentSafetyErrors.
    """
    if not isinstance(text, str):
        raise TypeError(f"A text is a str, not a {type(text).__name__}.")
    plan = load_plan(policy)
    if plan is None:
        raise RefusedError(f"There is no policy {policy!r}, or it is off.")
    if plan.problem:
        # No rule fired because none was applied: that is no *allow*.
        raise RefusedError(plan.problem)
    verdicts: dict[str, Verdict] = {}
    with within(None if deadline_ms is None else deadline_ms / 1000):
        while (source := plan.next_source(verdicts)) is not None:
            if is_over():
                raise DeadlineExceeded(
                    f"No time was left to ask {source.name!r}.", alias=source.name
                )
            answer = source.answer([text])[0]
            if isinstance(answer, Exception):
                raise answer
            verdicts[source.name] = answer
    return plan.decide(verdicts)
