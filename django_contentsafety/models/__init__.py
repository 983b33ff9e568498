"""All models; import them from here."""

from __future__ import annotations

from .budgets import ProviderBudget
from .builds import BuildJob
from .card_jobs import CardJob
from .categories import Category, CategoryVersion, Sample
from .fields import DbNow, KeyField
from .health import Heartbeat, ProviderHealth
from .moderation import Action, Coverage, ModerationResult, ModerationState
from .policies import Blocklist, BlocklistItem, Policy, PolicyRule
from .reviews import LogEntry, Review
from .rounds import BulkRound

__all__ = [
    "Action",
    "Blocklist",
    "BlocklistItem",
    "BuildJob",
    "BulkRound",
    "CardJob",
    "Category",
    "CategoryVersion",
    "Coverage",
    "DbNow",
    "Heartbeat",
    "KeyField",
    "LogEntry",
    "ModerationResult",
    "ModerationState",
    "Policy",
    "PolicyRule",
    "ProviderBudget",
    "ProviderHealth",
    "Review",
    "Sample",
]
