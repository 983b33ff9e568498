"""A provider is asked: within its quota, and only while its breaker lets us.

An outage so burns no tries and costs at most one probe at a time, in the whole fleet.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor

from ..exceptions import ContentError, Misconfigured, ProviderError, RateLimited
from ..models import ProviderBudget, ProviderHealth
from ..models.budgets import Budget
from ..providers import Limit, Provider
from ..providers.base import Asked
from ..verdicts import Verdict
from .asking import UNWELL, Answer, Keep, NotSent, ask

logger = logging.getLogger(__name__)

#: Of a quota a bulk round gets at most this share (reliability.md §7.3).
BULK_SHARE = 0.5
#: Faults that may be one text's: the batch is asked again one by one.
TEXTS_FAULT = frozenset({"content", "protocol", "bug"})


def is_guarded(provider: Provider) -> bool:
    """Whether there is anything to guard: an in-process provider has neither."""
    return bool(provider.limits) or not provider.in_process


def room(
    provider: Provider,
    categories: Sequence[Asked],
    *,
    policy: str = "",
    bulk: bool = False,
) -> int | None:
    """How many short texts may be asked about now, by what the rows say; None = any.

    To be asked before rows are claimed, so that what can't be asked isn't claimed.
    """
    if not is_guarded(provider):
        return None
    free: list[int] = []
    costs = _costs(provider, [""], categories)
    troubled = ProviderHealth.objects.troubled(provider.alias, provider.credential)
    for feature in troubled.intersection([*costs, _scope(policy)]):
        calls = ProviderHealth.objects.room(_budget(provider, feature))
        if calls is not None:
            free.append(calls)
    for feature, requests in costs.items():
        for budget, limit in _quotas(provider, feature, bulk):
            left = ProviderBudget.objects.room(budget, limit)
            # More than the burst is granted once all of it is free.
            some = left >= limit.burst
            free.append(max(floor(left / max(requests, 1)), int(some)))
    return min(free, default=None)


def analyze(
    provider: Provider,
    texts: Sequence[str],
    categories: Sequence[Asked],
    *,
    policy: str = "",
    bulk: bool = False,
    keep: Keep | None = None,
) -> list[Answer]:
    """``provider.analyze``, guarded: a verdict for each text, or why there is none.

    A RateLimited with the time to wait, and nothing sent, where quota or breaker say
    no. ``policy`` is whose categories they are; ``bulk`` says that nobody waits for it.
    ``keep`` is called now and then meanwhile.
    """
    if not is_guarded(provider):
        answers = ask(provider, texts, categories, keep)
    else:
        costs = _costs(provider, texts, categories)
        wait, tokens = _enter(provider, costs, policy, bulk)
        if wait:
            words = "Quota or breaker say: later."
            later = RateLimited(words, retry_after=wait, alias=provider.alias)
            return [later] * len(texts)
        answers = ask(provider, texts, categories, keep)
        unsent = [
            text
            for text, answer in zip(texts, answers, strict=True)
            if isinstance(answer, NotSent)
        ]
        if unsent:
            _refund(provider, _costs(provider, unsent, categories), bulk)
        answers = _note(provider, tokens, answers, policy)
    if len(texts) > 1 and provider.batch_size != 1:
        # One text may spoil the batch; alone it spoils only itself.
        for index, answer in enumerate(answers):
            if isinstance(answer, Exception) and code_of(answer) in TEXTS_FAULT:
                alone = [texts[index]]
                again = analyze(
                    provider, alone, categories, policy=policy, bulk=bulk, keep=keep
                )
                answers[index] = again[0]
    return answers


def code_of(error: Exception) -> str:
    """What kind of fault it is; "bug" where it is none of a provider's."""
    return error.code if isinstance(error, ProviderError) else "bug"


def _budget(provider: Provider, feature: str) -> Budget:
    return Budget(provider.alias, provider.credential, feature)


def _costs(
    provider: Provider, texts: Sequence[str], categories: Sequence[Asked]
) -> Mapping[str, int]:
    """The features that a call is counted by, where breakers stand as well."""
    return provider.cost(texts, categories) or {"": len(texts)}


def _scope(policy: str) -> str:
    """The breaker of one policy alone: of what it names, something is missing."""
    return f"policy {policy}"


def _quotas(
    provider: Provider, feature: str, bulk: bool
) -> Iterator[tuple[Budget, Limit]]:
    """What a request is counted by: its feature's quota, and a bulk round's share."""
    limit = provider.limits.get(feature)
    if limit is None:
        return
    yield _budget(provider, feature), limit
    if bulk:
        month = limit.per_month
        yield (
            _budget(provider, f"{feature} bulk"),
            Limit(
                rate=limit.rate * BULK_SHARE,
                burst=max(floor(limit.burst * BULK_SHARE), 1),
                per_month=None if month is None else floor(month * BULK_SHARE),
            ),
        )


def _enter(
    provider: Provider, costs: Mapping[str, int], policy: str, bulk: bool
) -> tuple[float, dict[Budget, str]]:
    """0.0 and the breakers' tokens, or the seconds to wait: then nothing is taken."""
    health, budgets = ProviderHealth.objects, ProviderBudget.objects
    tokens: dict[Budget, str] = {}
    reserved: list[tuple[Budget, Limit, int]] = []
    wait = 0.0
    troubled = health.troubled(provider.alias, provider.credential)
    for feature in [*costs, _scope(policy)]:
        budget = _budget(provider, feature)
        tokens[budget] = ""
        if feature in troubled and not wait:
            wait, tokens[budget] = health.may_call(budget)
    for feature, requests in costs.items():
        for budget, limit in _quotas(provider, feature, bulk):
            wait = wait or budgets.reserve(budget, limit, requests)
            if not wait:
                reserved.append((budget, limit, requests))
    if wait:
        for budget, limit, requests in reserved:
            budgets.refund(budget, limit, requests)
        for budget, token in tokens.items():
            health.leave(budget, token)
    return wait, tokens


def _refund(provider: Provider, costs: Mapping[str, int], bulk: bool) -> None:
    for feature, requests in costs.items():
        for budget, limit in _quotas(provider, feature, bulk):
            ProviderBudget.objects.refund(budget, limit, requests)


def _note(
    provider: Provider,
    tokens: Mapping[Budget, str],
    answers: Sequence[Answer],
    policy: str,
) -> list[Answer]:
    """Let the breakers know how it went. Return the answers as they have to be taken:
    where nearly every text is refused, none of them is to blame."""
    # The texts of one request share its error: it counts once.
    errors = list(
        {
            id(answer): answer
            for answer in answers
            if isinstance(answer, ProviderError) and not isinstance(answer, NotSent)
        }.values()
    )
    codes = [error.code for error in errors]
    good = sum(isinstance(answer, Verdict) for answer in answers)
    refused = codes.count("content")
    throttled = [e.retry_after for e in errors if isinstance(e, RateLimited)]
    size = provider.batch_size or len(answers)
    suspect = False
    for budget, token in tokens.items():
        if budget.feature == _scope(policy):
            _note_missing(budget, token, good, "missing" in codes)
            continue
        if throttled:
            # Told to one, heard by all.
            ProviderBudget.objects.pause(budget, max(throttled))
        if refused and ProviderHealth.objects.refused(budget, refused, good + refused):
            suspect = True
            _open(budget, "config")
        else:
            _note_breaker(budget, token, codes, good, size, counted=bool(refused))
    if not suspect:
        return list(answers)
    words = "It refuses so many texts that the settings must be wrong."
    wrong = Misconfigured(words, alias=provider.alias)
    return [wrong if isinstance(a, ContentError) else a for a in answers]


def _note_breaker(
    budget: Budget,
    token: str,
    codes: Sequence[str],
    good: int,
    size: int,
    *,
    counted: bool,
) -> None:
    health = ProviderHealth.objects
    unwell = [code for code in codes if code in UNWELL]
    # Also a refusal is an answer, if only about this text.
    others = sum(code in ("content", "missing", "conflict") for code in codes)
    answered = ceil(good / size) + others
    answers = 0 if counted else good + others
    if "gone" in codes:
        health.latch(budget, "gone")
        logger.error("The provider %s is gone.", budget.provider)
    elif "config" in codes:
        _open(budget, "config")
    elif unwell:
        health.failed(
            budget,
            token,
            unwell[-1],
            len(unwell),
            good=answered,
            answers=answers,
        )
    elif answered:
        health.succeeded(budget, token, answered, answers)
    else:
        health.leave(budget, token)


def _note_missing(budget: Budget, token: str, good: int, missing: bool) -> None:
    """A category that isn't there is its policies' trouble, nobody else's."""
    if missing:
        _open(budget, "missing")
    elif good and token:
        ProviderHealth.objects.succeeded(budget, token, good)
    else:
        ProviderHealth.objects.leave(budget, token)


def _open(budget: Budget, code: str) -> None:
    logger.error(
        "The provider %s is not asked for a while (%s): %s.",
        budget.provider,
        budget.feature or "everything",
        code,
    )
    ProviderHealth.objects.open_now(budget, code)
