"""Every misconfiguration is a system check with an id, a hint and a line in the docs
(docs/reference/checks.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from importlib.metadata import version
from math import inf
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist
from django.core.validators import slug_re
from django.db import DatabaseError, connections, models, router

from .conf import known_settings, settings
from .exceptions import InvalidProvider
from .flows import upkeep
from .flows.plans import BLOCKLISTS, load_plans
from .models import DbNow, Heartbeat, ModerationState, Policy
from .providers import providers
from .receivers import signature_fits
from .registry import ModelModeration, registry

#: Kinds of primary keys whose text form a test holds equal on every database.
KEY_FIELDS = (models.IntegerField, models.UUIDField, models.CharField)
#: Minutes after which a waiting text without a housekeeper is worth a warning.
WAIT_MINUTES = 5


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_duration(value: Any) -> bool:
    return _is_count(value) or (isinstance(value, float) and 0 < value < inf)


def _is_limit(value: Any) -> bool:
    return value is None or _is_count(value)


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


@register(Tags.models)
def check_registrations(**kwargs: Any) -> Iterator[CheckMessage]:
    """Each registered model has a key we can name and fields we can read."""
    for moderation in registry:
        yield from _check_key(moderation)
        yield from _check_fields(moderation)
        yield from _check_depends_on(moderation)
    if not VALUES["DATABASES"][0](settings.DATABASES):
        return  # E002 says it; a string would be taken for a list of letters.
    for alias in registry.databases():
        if alias not in connections:
            yield Error(
                f"CONTENTSAFETY_DATABASES names {alias!r}, DATABASES does not.",
                hint="Name aliases of DATABASES.",
                id="contentsafety.E031",
            )
        elif not router.allow_migrate_model(alias, ModerationState):
            yield Error(
                f"The database {alias!r} holds moderated objects, but its router "
                "refuses our tables.",
                hint="Put django_contentsafety.routers.RowTables first in "
                f"DATABASE_ROUTERS, then run migrate --database={alias}.",
                id="contentsafety.E030",
            )


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
        except DatabaseError:
            continue  # Not migrated yet.
        except InvalidProvider:
            continue  # check_providers says it.
    return messages


def _invalid(error: InvalidProvider) -> Error:
    return Error(
        str(error),
        hint="Correct CONTENTSAFETY_PROVIDERS.",
        id="contentsafety.E011",
    )


def _check_key(moderation: ModelModeration) -> Iterator[CheckMessage]:
    field: Any = moderation.model._meta.pk
    if isinstance(field, models.CompositePrimaryKey):
        yield Error(
            f"{moderation.label} has a composite primary key.",
            hint="Moderate a model with a single key (integer, UUID or text), or "
            "unregister this one.",
            obj=moderation.model,
            id="contentsafety.E020",
        )
        return
    while field.remote_field is not None:
        field = field.target_field
    if not isinstance(field, KEY_FIELDS):
        yield Error(
            f"{moderation.label} has a {type(field).__name__} as primary key.",
            hint="Integer, UUID and text keys are supported.",
            obj=moderation.model,
            id="contentsafety.E021",
        )
    elif isinstance(field, models.CharField) and not 0 < (field.max_length or 0) < 256:
        yield Error(
            f"{moderation.label}'s primary key may be longer than 255 characters.",
            hint="Give it a max_length of at most 255, or unregister the model.",
            obj=moderation.model,
            id="contentsafety.E024",
        )


def _check_fields(moderation: ModelModeration) -> Iterator[CheckMessage]:
    for slug, names in moderation.documents.items():
        if len(slug) > 50 or not slug_re.match(slug):
            yield Error(
                f"{moderation.label} names the policy {slug!r}, which is no slug.",
                hint="Use letters, digits, hyphens and underscores, at most 50.",
                obj=moderation.model,
                id="contentsafety.E022",
            )
        for name in names:
            try:
                field = moderation.model._meta.get_field(name)
            except FieldDoesNotExist:
                field = None
            if not isinstance(field, models.CharField | models.TextField):
                yield Error(
                    f"{moderation.label} has no text field {name!r}.",
                    hint="Watch fields of the model itself that hold text.",
                    obj=moderation.model,
                    id="contentsafety.E023",
                )


def _check_depends_on(moderation: ModelModeration) -> Iterator[CheckMessage]:
    known = {field.name for field in moderation.model._meta.concrete_fields}
    for name in moderation.depends_on or ():
        if name not in known:
            yield Error(
                f"{moderation.label} has no field {name!r} to depend on.",
                hint="Name fields of the model itself.",
                obj=moderation.model,
                id="contentsafety.E025",
            )


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
        elif plan.mode == Policy.Mode.SHADOW:
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


def _check_waiting(alias: str) -> Iterator[CheckMessage]:
    wait = upkeep.oldest_wait(alias)
    if wait is None or wait.total_seconds() < WAIT_MINUTES * 60:
        return
    recently = DbNow() - timedelta(minutes=WAIT_MINUTES)
    if not Heartbeat.objects.filter(beat_at__gte=recently).exists():
        yield Warning(
            f"Texts in {alias!r} have been waiting for {wait.total_seconds():.0f} s, "
            f"and no housekeeper was seen in the last {WAIT_MINUTES} minutes.",
            hint="Run contentsafety_worker, contentsafety_sweep --once from cron, or "
            "Celery with beat.",
            id="contentsafety.W043",
        )
