"""Find rows about an object: exact keys and prefixes of models, which indexes answer.

Row tables grow with the site, so nothing here asks ``LIKE '%…%'`` or ``DISTINCT``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy

from ..flows.plans import BLOCKLISTS
from ..models import Policy
from ..providers import providers
from ..registry import registry


class ObjectSearch:
    """``guestbook.entry 12``, in any order; each word narrows."""

    #: Columns that a word may equal.
    searched: ClassVar[tuple[str, ...]] = ("object_key", "policy")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        # A key may hold blanks itself.
        whole = Q(object_key=search_term.strip())
        words = Q()
        for word in search_term.split():
            found = Q(model__startswith=word.lower())
            for name in self.searched:
                found |= Q(**{f"{name}__in": _spellings(word)})
            words &= found
        return queryset.filter(whole | words), False


class ModelFilter(admin.SimpleListFilter):
    """Choices from the code: asking the table would read all of it."""

    title = gettext_lazy("model")
    parameter_name = "model"

    def lookups(self, request: Any, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [
            (moderation.label, capfirst(str(moderation.model._meta.verbose_name)))
            for moderation in registry
        ]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(model=self.value()) if self.value() else queryset


class PolicyFilter(admin.SimpleListFilter):
    title = gettext_lazy("policy")
    parameter_name = "policy"

    def lookups(self, request: Any, model_admin: Any) -> Iterable[tuple[str, str]]:
        slugs = Policy.objects.values_list("slug", flat=True)
        return [(slug, slug) for slug in slugs]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(policy=self.value()) if self.value() else queryset


class SourceFilter(admin.SimpleListFilter):
    title = gettext_lazy("source")
    parameter_name = "source"

    def lookups(self, request: Any, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(name, name) for name in [*sorted(providers), BLOCKLISTS]]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(source=self.value()) if self.value() else queryset


def _spellings(word: str) -> list[str]:
    """The word, and a UUID with and without dashes: databases store it either way."""
    try:
        uuid = UUID(word)
    except ValueError:
        return [word]
    return [word, str(uuid), uuid.hex]
