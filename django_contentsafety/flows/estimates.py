"""What it would take to judge earlier texts again: how many, what it costs, how long.

Everything is read from the newest rows alone, so asking costs the same on a long
history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count, Q

from ..models import DbNow, ModerationResult, ModerationState
from ..providers import CustomCategory, Provider, providers
from . import rounds
from .calls import BULK_SHARE
from .completing import stored_verdicts
from .plans import Plan, ProviderSource, load_plans

#: Days that a person may choose from; None = all there is.
PERIODS: tuple[int | None, ...] = (1, 7, 30, 90, None)
#: Rows that are counted of a policy and database; more are "more than".
MOST = 100_000
#: The newest texts that are looked at for stored answers, and results for how long
#: an answer takes.
NEWEST = 500


@dataclass(slots=True)
class Estimate:
    """One period. Of a policy that asks only where unsure, the most it can be."""

    days: int | None
    texts: int = 0
    #: There are more texts than were counted.
    is_least: bool = False
    #: Requests by provider, of those that are not in this process.
    requests: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    #: None = nobody can say: such a provider has not answered lately.
    seconds: float | None = 0.0


@dataclass(slots=True)
class Outlook:
    """What the choices would mean."""

    #: One a period, in the order of ``PERIODS``.
    estimates: list[Estimate]
    #: Of the newest decided texts: how many were looked at, and how many have stored
    #: answers of just these versions to all that is asked now.
    looked_at: int = 0
    stored: int = 0
    #: Policies that would be judged again, and those that wouldn't with the reason.
    policies: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def look_ahead(
    policies: Collection[str],
    aliases: Iterable[str],
    *,
    versions: Iterable[CustomCategory] = (),
) -> Outlook:
    """What judging the texts of ``policies`` again would take, in all ``aliases``.

    ``versions`` stand for the active ones: those that are to be activated.
    """
    outlook = Outlook([Estimate(days=days) for days in PERIODS])
    plans = load_plans(policies, versions=versions)
    for slug in sorted(policies):
        plan = plans.get(slug)
        if plan is None or plan.problem:
            outlook.left_out[slug] = plan.problem if plan else ""
        else:
            outlook.policies.append(slug)
    for using in aliases:
        latencies = _latencies(using)
        for slug in outlook.policies:
            _count(outlook, plans[slug], using, latencies)
            newest = rounds.redecidable(slug, using).order_by("-pk")[:NEWEST]
            _look_for_answers(outlook, plans[slug], list(newest), using)
    return outlook


def _count(
    outlook: Outlook, plan: Plan, using: str, latencies: dict[str, float]
) -> None:
    newest = rounds.analyzable(plan.slug, using).order_by("-pk")[: MOST + 1]
    counts = newest.aggregate(
        **{
            f"of_{number}": Count("pk", filter=_within(days))
            for number, days in enumerate(PERIODS)
        }
    )
    for number, estimate in enumerate(outlook.estimates):
        texts = min(counts[f"of_{number}"], MOST)
        estimate.texts += texts
        estimate.is_least |= counts[f"of_{number}"] > MOST
        for source in plan.sources:
            if isinstance(source, ProviderSource) and texts:
                _add(estimate, providers[source.name], source, texts, latencies)


def _within(days: int | None) -> Q:
    if days is None:
        return Q()
    return Q(decided_at__gte=DbNow() - timedelta(days=days)) | Q(state="exhausted")


def _add(
    estimate: Estimate,
    provider: Provider,
    source: ProviderSource,
    texts: int,
    latencies: dict[str, float],
) -> None:
    latency = latencies.get(provider.alias)
    seconds = None if latency is None else texts * latency
    if not provider.in_process:
        costs = provider.cost([""], source.categories) or {"": 1}
        estimate.requests[provider.alias] += texts * sum(costs.values())
        if seconds is not None:
            seconds /= provider.concurrency
        for feature, requests in costs.items():
            limit = provider.limits.get(feature)
            if limit is not None:
                paced = texts * requests / (limit.rate * BULK_SHARE)
                seconds = max(seconds or 0.0, paced)
    if seconds is None or estimate.seconds is None:
        estimate.seconds = None
    else:
        estimate.seconds += seconds


def _latencies(using: str) -> dict[str, float]:
    """Seconds a text, by source, of the newest results."""
    results = ModerationResult.objects.using(using).order_by("-pk")
    found = defaultdict(list)
    for source, latency in results.values_list("source", "latency_ms")[:NEWEST]:
        found[source].append(latency / 1000)
    return {source: sum(each) / len(each) for source, each in found.items()}


def _look_for_answers(
    outlook: Outlook, plan: Plan, rows: Sequence[ModerationState], using: str
) -> None:
    stored = stored_verdicts(rows, using, fits=plan.can_use)
    outlook.looked_at += len(rows)
    outlook.stored += sum(
        plan.next_source(stored.get(row.pk, {})) is None for row in rows
    )
