"""A provider is asked: within its quota, and only while its breaker lets us.

An outage so burns no tries and costs at most one probe at a time, in the whole fleet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor

from ..exceptions import ProtocolError, ProviderError, RateLimited
from ..models import ProviderBudget, ProviderHealth
from ..models.budgets import Budget
from ..providers import Provider
from ..providers.base import Asked
from ..verdicts import SCALE_RANGE, Verdict

#: Faults that say the service is unwell (reliability.md §7.4, column Breaker).
UNWELL = frozenset({"network", "server", "protocol"})


def is_guarded(provider: Provider) -> bool:
    """Whether there is anything to guard: an in-process provider has neither."""
    return bool(provider.limits) or not provider.in_process


def room(provider: Provider) -> int | None:
    """How many requests may be made now, by what the rows say; None = any.

    To be asked before rows are claimed, so that what can't be asked isn't claimed.
    """
    if not is_guarded(provider):
        return None
    free: list[int] = []
    for feature in list(provider.limits) or [""]:
        budget = Budget(provider.alias, provider.credential, feature)
        calls = ProviderHealth.objects.room(budget)
        if calls is not None:
            free.append(calls)
        if limit := provider.limits.get(feature):
            free.append(floor(ProviderBudget.objects.room(budget, limit)))
    return min(free, default=None)


def analyze(
    provider: Provider, texts: Sequence[str], categories: Sequence[Asked]
) -> list[Verdict]:
    """``provider.analyze``, guarded.

    Raise RateLimited with the time to wait, before anything is sent, where quota or
    breaker say no; and whatever the provider raises, after it was taken note of.
    """
    if not is_guarded(provider):
        return _ask(provider, texts, categories)
    costs = provider.cost(texts, categories) or {"": len(texts)}
    tokens = _enter(provider, costs)
    try:
        verdicts = _ask(provider, texts, categories)
    except ProviderError as error:
        for budget, token in tokens.items():
            _note(budget, token, error)
        raise
    for budget, token in tokens.items():
        ProviderHealth.objects.succeeded(budget, token)
    return verdicts


def _ask(
    provider: Provider, texts: Sequence[str], categories: Sequence[Asked]
) -> list[Verdict]:
    """What it answers, held to what it promises: an answer off its scale is none."""
    verdicts = provider.analyze(texts, categories)
    if len(verdicts) != len(texts):
        raise ProtocolError("The provider skipped texts.", alias=provider.alias)
    for score in (score for verdict in verdicts for score in verdict.scores):
        for scale, (low, high) in SCALE_RANGE.items():
            value = score.on(scale)
            # Written so that NaN, which compares with nothing, is off the scale.
            if value is not None and not low <= value <= high:
                raise ProtocolError(
                    f"The provider's {scale} for {score.category} is off its scale.",
                    alias=provider.alias,
                )
    return verdicts


def _enter(provider: Provider, costs: Mapping[str, int]) -> dict[Budget, str]:
    tokens: dict[Budget, str] = {}
    reserved: list[tuple[Budget, str, int]] = []
    wait = 0.0
    for feature, requests in costs.items():
        budget = Budget(provider.alias, provider.credential, feature)
        wait, tokens[budget] = ProviderHealth.objects.may_call(budget)
        limit = provider.limits.get(feature)
        if not wait and limit is not None:
            wait = ProviderBudget.objects.reserve(budget, limit, requests)
            if not wait:
                reserved.append((budget, feature, requests))
        if wait:
            break
    if wait:
        for budget, feature, requests in reserved:
            ProviderBudget.objects.refund(budget, provider.limits[feature], requests)
        for budget, token in tokens.items():
            ProviderHealth.objects.leave(budget, token)
        raise RateLimited(
            "Quota or breaker say: later.", retry_after=wait, alias=provider.alias
        )
    return tokens


def _note(budget: Budget, token: str, error: ProviderError) -> None:
    health = ProviderHealth.objects
    if isinstance(error, RateLimited):
        # Told to one, heard by all.
        ProviderBudget.objects.pause(budget, error.retry_after)
        health.leave(budget, token)
    elif error.code in UNWELL:
        health.failed(budget, token, error.code)
    elif error.code == "gone":
        health.latch(budget, error.code)
    elif error.code == "config":
        health.open_now(budget, error.code)
    else:
        # It answered, if only about this text.
        health.succeeded(budget, token)
