"""A policy that the code names and the database lacks begins in shadow.

On an existing site nothing disappears on the first day: texts are analyzed, answers
are stored, nothing is hidden, until a person switches the policy to live.
"""

from __future__ import annotations

from typing import Any

from django.db import router

from ..models import LogEntry, Policy, PolicyRule
from ..providers import explain_unanswerable, providers
from ..registry import registry
from ..verdicts import HarmCategory, Scale

#: Severities at which the default rules act (DESIGN §5).
REVIEW_AT, BLOCK_AT = 4, 6


def found_policies(using: str, **kwargs: Any) -> None:
    """``post_migrate``: create missing policies, in the site tables' database only."""
    if using != router.db_for_write(Policy):
        return
    known = set(Policy.objects.values_list("slug", flat=True))
    for slug in registry.policies():
        if slug not in known:
            found_policy(slug)


def found_policy(slug: str) -> Policy:
    """Create the policy in shadow, with a rule for each built-in harm category that
    the default provider answers by severity."""
    policy = Policy.objects.create(slug=slug)
    if "default" in providers:
        for harm in HarmCategory.values:
            if not explain_unanswerable("default", harm, Scale.SEVERITY, custom=False):
                PolicyRule.objects.create(
                    policy=policy,
                    category=harm,
                    scale=Scale.SEVERITY,
                    review_at=REVIEW_AT,
                    block_at=BLOCK_AT,
                )
    LogEntry.objects.create(event="policy_founded", subject=slug, to_value=policy.mode)
    return policy
