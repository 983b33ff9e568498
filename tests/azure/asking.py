"""Providers with keys that can be recognized, and what they are asked about."""

from __future__ import annotations

from typing import Any

from django_contentsafety.providers import CustomCategory
from django_contentsafety.providers.azure_content_moderator import (
    AzureContentModerator,
)
from django_contentsafety.providers.azure_content_safety import AzureContentSafety

KEY = "k" * 32
HARM = ["Hate", "SelfHarm", "Sexual", "Violence"]
OLDER, NEWER = "2024-05-15-preview", "2024-09-15-preview"
#: Seconds: for a busy machine.
PATIENT = {"connect_timeout": 5, "read_timeout": 20, "total_timeout": 30}


def safety(endpoint: str, **options: Any) -> AzureContentSafety:
    """Content Safety at ``endpoint``."""
    if "credential" not in options:
        options.setdefault("key", KEY)
    return AzureContentSafety("azure", endpoint=endpoint, **{**PATIENT, **options})


def moderator(endpoint: str, **options: Any) -> AzureContentModerator:
    """Content Moderator at ``endpoint``."""
    if "credential" not in options:
        options.setdefault("key", KEY)
    return AzureContentModerator("azure", endpoint=endpoint, **{**PATIENT, **options})


def custom(name: str = "scam", number: str = "2", version: int = 7) -> CustomCategory:
    """A version of ours, and the service's own number of it."""
    return CustomCategory(
        name=name, version=version, provider_version=number, load=bytes
    )
