"""What the service won't do, or could not: told apart, and told."""

from __future__ import annotations

from ...exceptions import ProviderError


def is_refusal(error: ProviderError) -> bool:
    """Whether the service has heard of it, and won't; for the key's sake or for a
    while doesn't count."""
    status = error.status or 0
    return 400 <= status < 500 and status not in (401, 404, 408, 410, 425, 429)


def explained(what: str, why: str) -> str:
    """What could not be done, with the service's own reason where it gave one."""
    return f"{what} ({why})." if why else f"{what}."
