"""Rows that are written once: no way of the ORM's changes one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NoReturn, TypeVar

from django.db import models

from ..exceptions import AppendOnly

M = TypeVar("M", bound=models.Model)


class AppendOnlyQuerySet(models.QuerySet[M]):
    """Refuse ``update`` (``bulk_update`` calls it) and inserts that update."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly(f"{self.model._meta.verbose_name_plural} are never changed.")

    def bulk_create(
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[M]:
        if update_conflicts:
            self.update()
        return super().bulk_create(objs, batch_size, ignore_conflicts)


class AppendOnlyModel(models.Model):
    """``save()`` inserts, once."""

    class Meta:
        abstract = True

    def save(self, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly(f"A {self._meta.verbose_name} is never changed.")
        # Or an instance with an old row's key would be written over it.
        super().save(**{**kwargs, "force_insert": True})
