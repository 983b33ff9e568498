"""The models that are moderated, and the databases they live in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import FieldDoesNotExist
from django.core.validators import slug_re
from django.db import connections, models, router

from ..conf import settings
from ..models import ModerationState
from ..registry import ModelModeration, registry

#: Kinds of primary keys whose text form a test holds equal on every database.
KEY_FIELDS = (models.IntegerField, models.UUIDField, models.CharField)


@register(Tags.models)
def check_registrations(**kwargs: Any) -> Iterator[CheckMessage]:
    """Each registered model has a key we can name and fields we can read."""
    for moderation in registry:
        yield from _check_key(moderation)
        yield from _check_fields(moderation)
        yield from _check_depends_on(moderation)
    named: Any = settings.DATABASES
    if not isinstance(named, list | tuple | set | None):
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
