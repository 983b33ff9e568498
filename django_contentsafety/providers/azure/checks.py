"""What can be said of an Azure provider's settings without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Warning

from .auth import CREDENTIALS
from .common import CLOUDS, GA, SUPPORTED, VERSIONS

#: Hosts of regions, which take keys alone: Entra tokens are for a resource by name
#: (azure-api.md §1).
REGIONAL = ".api.cognitive.microsoft.com"


def check_connection(
    alias: str, *, endpoint: str, cloud: str, credential: str
) -> Iterator[CheckMessage]:
    """Endpoint, cloud and credential fit each other. ``credential`` is a name of
    ``CREDENTIALS``, or empty."""
    where, host = f"provider {alias}", urlsplit(endpoint).hostname or ""
    if credential in CREDENTIALS and not _is_installed("azure", "azure.identity"):
        yield Error(
            "Entra tokens need azure-identity, which is not installed.",
            hint='Run: pip install "django-contentsafety[azure]"',
            obj=where,
            id="contentsafety.E013",
        )
    if credential and host.endswith(REGIONAL):
        yield Error(
            "An Entra token is refused at the endpoint of a region.",
            hint="Use the resource's own endpoint, "
            f"https://NAME.{CLOUDS[cloud].suffix}, or a key.",
            obj=where,
            id="contentsafety.E014",
        )
    for other in CLOUDS.values():
        if other.name != cloud and host.endswith(f".{other.suffix}"):
            yield Error(
                f"Its endpoint is in the cloud {other.name!r}, its cloud is {cloud!r}.",
                hint=f"Set cloud to {other.name!r}: tokens come from another place "
                "there.",
                obj=where,
                id="contentsafety.E015",
            )


def check_container(alias: str) -> Iterator[CheckMessage]:
    """A provider that writes samples to blob storage."""
    if not _is_installed("azure", "azure.storage", "azure.storage.blob"):
        yield Error(
            "Its blob_container is written to by azure-storage-blob, which is not "
            "installed.",
            hint='Run: pip install "django-contentsafety[azure]"',
            obj=f"provider {alias}",
            id="contentsafety.E016",
        )


def check_versions(alias: str, *, version: str) -> Iterator[CheckMessage]:
    """The API version of the analysis."""
    if version not in VERSIONS:
        yield Warning(
            f"Its api_version {version} is none that was known when this package was "
            "made.",
            hint=f"Use {GA}, or silence this once you have tried it.",
            obj=f"provider {alias}",
            id="contentsafety.W013",
        )
    elif version not in SUPPORTED:
        yield Warning(
            f"Azure withdrew API version {version} on 1 March 2025.",
            hint=f"Use {GA} as api_version.",
            obj=f"provider {alias}",
            id="contentsafety.W014",
        )


def check_standard(alias: str, *, version: str) -> Iterator[CheckMessage]:
    """A provider that builds custom categories (standard), in this API version."""
    withdrawn = "" if version in SUPPORTED else ", and this version on 1 March 2025"
    yield Warning(
        "Azure retired custom categories (standard), which its blob_container and its "
        f"categories_api_version {version} are for, on 1 September 2026{withdrawn}.",
        hint="Build with the local provider, or with AzureIncidents: custom categories "
        "(rapid) live on.",
        obj=f"provider {alias}",
        id="contentsafety.W015",
    )


def check_moderator(alias: str) -> Iterator[CheckMessage]:
    """The end of Content Moderator."""
    yield Warning(
        "Azure deprecated Content Moderator in 2024 and retires it by February 2027 "
        "(its packages on 15 March 2027).",
        hint="Move its policies to AzureContentSafety, whose severities need other "
        "thresholds, or to the local provider.",
        obj=f"provider {alias}",
        id="contentsafety.W016",
    )


def _is_installed(*modules: str) -> bool:
    # Each after its parent, which find_spec imports.
    return all(find_spec(module) is not None for module in modules)
