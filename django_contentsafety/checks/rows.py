"""What the tables say: policies that can't answer, texts that nobody comes for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError, router
from django.db.models import F

from ..exceptions import InvalidProvider
from ..flows import upkeep
from ..flows.plans import Plan, load_plans
from ..models import Coverage, DbNow, Heartbeat, Policy
from ..querysets import ModeratedQuerySet
from ..registry import registry
from ..tasks import wake_mode

#: Minutes after which a waiting text without a housekeeper is worth a warning.
WAIT_MINUTES = 5


@register(Tags.database)
def check_rows(databases: Sequence[str] | None = None, **kwargs: Any) -> Any:
    """With ``check --database``: policies that can't answer, texts that wait."""
    messages: list[CheckMessage] = []
    for alias in databases or ():
        try:
            if alias == router.db_for_read(Policy):
                messages += _check_policies()
            if alias in registry.databases():
                messages += _check_waiting(alias)
                messages += _check_managers(alias)
        except DatabaseError:
            continue  # Not migrated yet.
        except InvalidProvider:
            continue  # check_providers says it.
    return messages


def _check_policies() -> Iterator[CheckMessage]:
    plans = load_plans()
    for slug in registry.policies():
        plan = plans.get(slug)
        if plan is None:
            continue
        if plan.problem:
            yield Warning(
                f"The policy {slug!r} decides nothing: {plan.problem}",
                hint="Its texts wait. See the policy in the admin.",
                id="contentsafety.W040",
            )
            continue
        yield from _check_worker(plan)
        if plan.mode == Policy.Mode.SHADOW:
            yield Warning(
                f"The policy {slug!r} is in shadow: it hides nothing.",
                hint=f"Look at its results, then: contentsafety_policy {slug} --live",
                id="contentsafety.W041",
            )
    for policy in Policy.objects.filter(mode=Policy.Mode.LIVE):
        if policy.fails_open and not policy.fail_open_reason:
            yield Warning(
                f"The policy {policy.slug!r} shows unchecked texts, without a reason.",
                hint="Write down why, in the policy, or fail closed.",
                id="contentsafety.W042",
            )


def _check_worker(plan: Plan) -> Iterator[CheckMessage]:
    """Inline, nobody asks a provider that takes its time: ``inline_ms`` is 0 then."""
    remote = [s.name for s in plan.sources if not s.in_process]
    if remote and not plan.inline_ms and wake_mode() != "celery" and not _is_served():
        yield Warning(
            f"The policy {plan.slug!r} asks {', '.join(remote)}, which no save waits "
            "for, and nobody was seen who drains.",
            hint="Run contentsafety_worker, or Celery with a worker; or give the "
            "policy inline_ms, and saves wait so long.",
            id="contentsafety.W044",
        )


def _is_served() -> bool:
    recently = DbNow() - timedelta(minutes=WAIT_MINUTES)
    return Heartbeat.objects.filter(beat_at__gte=recently).exists()


def _check_managers(alias: str) -> Iterator[CheckMessage]:
    """Only where the reconciler did find something, after its first whole pass."""
    passes = Coverage.objects.using(alias).filter(
        found__gt=0, completed_at__isnull=False, pass_started_at__gt=F("completed_at")
    )
    for coverage in passes.order_by("model", "policy"):
        moderation = registry.by_label(coverage.model)
        if moderation is None or coverage.policy not in moderation.documents:
            continue
        queryset: Any = moderation.model._default_manager.all()
        if isinstance(queryset, ModeratedQuerySet):
            continue  # Raw SQL, fixtures: the manager can do nothing about those.
        yield Warning(
            f"{coverage.found} texts of {coverage.model} were written in a way that "
            "sends no signal; the reconciler found them, late.",
            hint="Give the model ModeratedQuerySet as its manager: it moderates bulk "
            "writes at once.",
            obj=moderation.model,
            id="contentsafety.W020",
        )


def _check_waiting(alias: str) -> Iterator[CheckMessage]:
    wait = upkeep.oldest_wait(alias)
    if wait is None or wait.total_seconds() < WAIT_MINUTES * 60:
        return
    if not _is_served():
        yield Warning(
            f"Texts in {alias!r} have been waiting for {wait.total_seconds():.0f} s, "
            f"and no housekeeper was seen in the last {WAIT_MINUTES} minutes.",
            hint="Run contentsafety_worker, contentsafety_sweep --once from cron, or "
            "Celery with beat.",
            id="contentsafety.W043",
        )
