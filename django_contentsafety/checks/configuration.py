"""The settings, the providers they name, and what is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import version
from math import inf
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from ..conf import known_settings, settings
from ..exceptions import InvalidProvider
from ..flows.activating import BARS
from ..flows.plans import BLOCKLISTS
from ..providers import providers
from ..receivers import signature_fits


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_duration(value: Any) -> bool:
    return _is_count(value) or (isinstance(value, float) and 0 < value < inf)


def _is_limit(value: Any) -> bool:
    return value is None or _is_count(value)


def _is_share(value: Any) -> bool:
    # Written so that NaN fails, too.
    return type(value) in (int, float) and 0 <= value <= 0.5


def _is_bar(value: Any) -> bool:
    return isinstance(value, dict) and all(
        name in BARS
        and isinstance(least, int | float)
        and not isinstance(least, bool)
        and 0 <= least <= 1
        for name, least in value.items()
    )


#: What fits each setting, and what to use instead. The other settings are checked
#: elsewhere, or hold keys, which no message may repeat.
VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "ENABLED": (lambda value: isinstance(value, bool), "True or False"),
    "WAKE": (
        lambda value: value in ("celery", "inline", "none", None),
        "'celery', 'inline', 'none' or None",
    ),
    "STORE_TEXT": (
        lambda value: value in ("never", "review_only", "always"),
        "'never', 'review_only' or 'always'",
    ),
    "DATABASES": (
        lambda value: value is None or isinstance(value, list | tuple | set),
        "a list of aliases, or None",
    ),
    "LEASE_SECONDS": (_is_duration, "a number above 0"),
    "DRAIN_SECONDS": (_is_duration, "a number above 0"),
    "BATCH_SIZE": (_is_count, "a whole number above 0"),
    "OUTAGE_AFTER": (_is_duration, "a number above 0"),
    "MAX_AGE": (_is_duration, "a number above 0"),
    "KEEP_ALLOWED_DAYS": (_is_limit, "a whole number above 0, or None"),
    "KEEP_DECIDED_DAYS": (_is_limit, "a whole number above 0, or None"),
    "WITHHELD_SHARE": (_is_share, "a number from 0 to 0.5"),
    "ACTIVATION_BAR": (
        _is_bar,
        f"a dict with numbers from 0 to 1 by {', '.join(BARS)}",
    ),
}


@register(Tags.compatibility)
def check_settings(**kwargs: Any) -> Iterator[CheckMessage]:
    """Settings that are misspelled, out of range, or can't work."""
    known = known_settings()
    for name in dir(django_settings):
        if name.startswith("CONTENTSAFETY_") and name not in known:
            yield Error(
                f"{name} is no setting of ours.",
                hint=f"Known are: {', '.join(known)}.",
                id="contentsafety.E001",
            )
    for name, (fits, remedy) in VALUES.items():
        value = getattr(settings, name)
        if not fits(value):
            yield Error(
                f"CONTENTSAFETY_{name} is {value!r}.",
                hint=f"Use {remedy}.",
                id="contentsafety.E002",
            )
    token: Any = settings.HEALTH_TOKEN
    if token is not None and not (isinstance(token, str) and len(token) >= 20):
        yield Error(
            "CONTENTSAFETY_HEALTH_TOKEN can be guessed: it is shorter than 20 "
            "characters, or no text.",
            hint="Use the output of: python -c 'import secrets; "
            "print(secrets.token_urlsafe())'",
            id="contentsafety.E004",
        )
    if not django_settings.USE_TZ:
        yield Error(
            "USE_TZ is False: due times would be in each database's local time.",
            hint="Set USE_TZ = True.",
            id="contentsafety.E003",
        )
    if not signature_fits():
        yield Warning(
            "This Django's Model._save_table is not the one we know: in autocommit, a "
            "process that dies right after a save leaves it to the reconciler.",
            hint="Upgrade django-contentsafety, or use ATOMIC_REQUESTS.",
            id="contentsafety.W003",
        )
    if not settings.ENABLED and not django_settings.DEBUG:
        yield Warning(
            "CONTENTSAFETY_ENABLED is False: nothing that is saved is moderated.",
            hint="Remove the setting.",
            id="contentsafety.W004",
        )


@register(Tags.security)
def check_dependencies(**kwargs: Any) -> Iterator[CheckMessage]:
    """What requests brings along, in the version our HTTP tests ran with."""
    installed = version("urllib3")
    if tuple(int(n) for n in installed.split(".")[:2]) < (2, 6):
        yield Warning(
            f"urllib3 {installed} is older than 2.6: deadlines and caps of remote "
            "providers were not tried with it.",
            hint='Run: pip install --upgrade "urllib3>=2.6"',
            id="contentsafety.W005",
        )


@register(Tags.compatibility)
def check_providers(**kwargs: Any) -> Iterator[CheckMessage]:
    """Each provider can be made; then it checks itself."""
    try:
        aliases = list(providers)
    except InvalidProvider as error:
        yield _invalid(error)
        return
    for alias in aliases:
        if alias == BLOCKLISTS:
            yield Error(
                f"No provider may be called {BLOCKLISTS!r}: blocklists answer so.",
                hint="Give it another alias.",
                id="contentsafety.E012",
            )
        try:
            provider = providers[alias]
        except InvalidProvider as error:
            yield _invalid(error)
        else:
            yield from provider.check()


def _invalid(error: InvalidProvider) -> Error:
    return Error(
        str(error),
        hint="Correct CONTENTSAFETY_PROVIDERS.",
        id="contentsafety.E011",
    )
