"""Which models are moderated, which of their fields, under which policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from inspect import signature
from types import MethodType
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor

from .conf import settings
from .exceptions import AlreadyRegistered

if TYPE_CHECKING:
    from django.db.models import Model

M = TypeVar("M", bound="type[Model]")

#: Names a foreign key to the user model is looked for under (DESIGN §4, Author).
AUTHOR_NAMES = ("author", "user", "owner", "created_by")


class ModelModeration:
    """How one model is moderated. Subclass beside the model, in ``moderation.py``."""

    #: The watched fields, in the order in which they form the document.
    fields: Sequence[str] = ()
    #: The policy's slug.
    policy: str = "default"
    #: Several policies at once, each with its own fields; replaces the two above.
    policies: Mapping[str, Sequence[str]] = {}
    #: Further fields that ``should_moderate`` reads: a save that writes one is looked
    #: at. None = every save is, where ``should_moderate`` is overridden.
    depends_on: Sequence[str] | None = None
    #: A field path ("post.author"), a callable of the object or a method; None = a
    #: foreign key to the user model with one of ``AUTHOR_NAMES``.
    author: str | Callable[[Any], Any] | None = None

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.label = model._meta.label_lower
        documents = self.policies or {self.policy: self.fields}
        for slug, fields in documents.items():
            if isinstance(fields, str):
                raise ImproperlyConfigured(
                    f"{type(self).__name__} gives one string as the fields of the "
                    f"policy {slug!r}: write a list, as in [{fields!r}]."
                )
            if not fields:
                raise ImproperlyConfigured(
                    f"{type(self).__name__} names no fields for the policy {slug!r}."
                )
        self.documents = {
            slug: tuple(fields) for slug, fields in sorted(documents.items())
        }
        self.watched = frozenset(f for fs in self.documents.values() for f in fs)

    @cached_property
    def looked_at(self) -> frozenset[str] | None:
        """The fields, by name and by column, of which a save must write one to be
        looked at; None = any."""
        if self.depends_on is None:
            overridden = (
                type(self).should_moderate is not ModelModeration.should_moderate
            )
            return None if overridden else self.watched
        further = {
            name
            for field in self.model._meta.concrete_fields
            for name in (field.name, field.attname)
            if field.name in self.depends_on
        }
        return self.watched | further

    def should_moderate(self, obj: Any) -> bool:
        """Whether this object is submitted at all (a draft may not be)."""
        return True

    def priority(self, obj: Any) -> int:
        """Lower is served first: 0 interactive, 10 edits, 20 bulk."""
        return 0

    def get_author(self, obj: Any) -> Any:
        """The author (a user, its key, or None)."""
        author = self._author
        if not isinstance(author, str):
            return author(obj) if author else None
        *parents, last = author.split(".")
        for name in parents:
            obj = getattr(obj, name, None)
        # The key column, not the related object: a save must not cost a query.
        field = getattr(type(obj), last, None)
        if isinstance(field, ForwardManyToOneDescriptor) and (
            field.field.target_field.primary_key
        ):
            return getattr(obj, field.field.attname)
        return getattr(obj, last, None)

    @cached_property
    def _author(self) -> str | Callable[[Any], Any] | None:
        author = self.author or self._default_author
        if isinstance(author, MethodType) and author.__self__ is self:
            # ``author = lambda obj: …`` in the class became a method when it was
            # looked up, as ``def author(self, obj)`` is meant to.
            function = author.__func__
            return function if len(signature(function).parameters) == 1 else author
        return author

    @cached_property
    def _default_author(self) -> str | None:
        user = get_user_model()
        fields = {field.name: field for field in self.model._meta.fields}
        for name in AUTHOR_NAMES:
            related = fields[name].related_model if name in fields else None
            if isinstance(related, type) and issubclass(user, related):
                return name
        return None


class Registry:
    """Models and their moderations; ``on_register`` is set by the app config."""

    def __init__(self) -> None:
        self._moderations: dict[type[Model], ModelModeration] = {}
        self.on_register: Callable[[type[Model]], None] | None = None

    def register(
        self, model: type[Model], moderation: type[ModelModeration]
    ) -> ModelModeration:
        """Moderate ``model``. Raise ImproperlyConfigured for one that can't be."""
        name = model.__name__
        if model._meta.abstract:
            raise ImproperlyConfigured(
                f"{name} is abstract: register each of its concrete models."
            )
        if model._meta.proxy:
            concrete = model._meta.concrete_model
            raise ImproperlyConfigured(
                f"{name} is a proxy: register {concrete.__name__ if concrete else ''}, "
                "which covers its proxies."
            )
        if model in self._moderations:
            raise AlreadyRegistered(
                f"{name} is registered already; give one registration several policies."
            )
        self._moderations[model] = instance = moderation(model)
        if self.on_register is not None:
            self.on_register(model)
        return instance

    def unregister(self, model: type[Model]) -> None:
        """Forget ``model``; its rows stay, saves are no longer looked at."""
        self._moderations.pop(model, None)

    def get(self, model: type[Model]) -> ModelModeration | None:
        """The moderation of exactly this model, or None."""
        return self._moderations.get(model)

    def covering(self, model: type[Model]) -> list[ModelModeration]:
        """The moderations of ``model`` and its parents (a proxy's model included)."""
        return [
            self._moderations[cls] for cls in model.__mro__ if cls in self._moderations
        ]

    def by_label(self, label: str) -> ModelModeration | None:
        """The moderation of the model ``app.model`` (lower case), or None."""
        return next((m for m in self if m.label == label), None)

    def __iter__(self) -> Any:
        return iter(list(self._moderations.values()))

    def __contains__(self, model: object) -> bool:
        return model in self._moderations

    def policies(self) -> list[str]:
        """The slugs that the code names, sorted."""
        return sorted({slug for m in self for slug in m.documents})

    def databases(self) -> list[str]:
        """The aliases in which moderated objects, and so their row tables, live."""
        if settings.DATABASES is not None:
            return list(settings.DATABASES)
        return sorted({router.db_for_write(m.model) for m in self})


registry = Registry()


def register(*models: type[Model]) -> Callable[[type[ModelModeration]], Any]:
    """Class decorator: ``@register(Comment)`` on a ``ModelModeration``."""

    def decorate(moderation: type[ModelModeration]) -> type[ModelModeration]:
        for model in models:
            registry.register(model, moderation)
        return moderation

    return decorate


def moderate(
    *fields: str, policy: str = "default", author: str | None = None
) -> Callable[[M], M]:
    """Model decorator: ``@moderate("title", "body", policy="comments")``."""

    def decorate(model: M) -> M:
        attributes = {"fields": fields, "policy": policy, "author": author}
        moderation = type(f"{model.__name__}Moderation", (ModelModeration,), attributes)
        registry.register(model, moderation)
        return model

    return decorate
