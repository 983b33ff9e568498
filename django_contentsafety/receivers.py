"""How a registered model's saves and deletes reach us (DESIGN §5).

In autocommit Django sends ``post_save`` after it committed, and to the sender's own
class only. So ``_save_table`` is wrapped, which proxies, children and later classes
inherit: the host's write and ``submit`` share one transaction that begins at the write
and ends before ``post_save``. Other apps' receivers run exactly as they did.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from contextlib import nullcontext
from typing import Any

from django.db import connections, transaction
from django.db.models import Model
from django.db.models.signals import class_prepared, post_delete, post_save

from . import tasks
from .conf import settings
from .documents import key_of
from .flows.submit import submit
from .models import ModerationResult, ModerationState
from .registry import ModelModeration, registry

_METHOD = "_save_table"

#: The parameters of ``Model._save_table`` that the wrapper was written for; held to
#: Django's own by a test and a check. It is private, but called once a table.
SIGNATURE = (
    "self",
    "raw",
    "cls",
    "force_insert",
    "force_update",
    "using",
    "update_fields",
)

#: Where a save leaves what it submitted, from the write until ``post_save``.
_MARK = "_contentsafety_submitted"


def connect(model: type[Model]) -> None:
    """Watch the saves and deletes of ``model``, its proxies and its children."""
    if signature_fits():
        _wrap(model)
    for cls in _family(model):
        _connect_signals(cls)


def disconnect(model: type[Model]) -> None:
    """Undo ``connect``."""
    if getattr(model.__dict__.get(_METHOD), "contentsafety", False):
        original = model.__dict__[_METHOD].original
        if original is None:
            delattr(model, _METHOD)
        else:
            setattr(model, _METHOD, original)
    for cls in _family(model):
        if not registry.covering(cls):
            post_save.disconnect(sender=cls, dispatch_uid=_uid("save", cls))
            post_delete.disconnect(sender=cls, dispatch_uid=_uid("delete", cls))


def signature_fits() -> bool:
    """Whether this Django's ``_save_table`` is the one we know."""
    return tuple(inspect.signature(getattr(Model, _METHOD)).parameters) == SIGNATURE


def _wrap(model: type[Model]) -> None:
    own: Any = model.__dict__.get(_METHOD)
    if getattr(own, "contentsafety", False):
        return

    def _save_table(
        self: Any,
        raw: bool = False,
        cls: Any = None,
        force_insert: bool = False,
        force_update: bool = False,
        using: Any = None,
        update_fields: Any = None,
    ) -> Any:
        # Resolved now, not captured: a sibling's override in the MRO must still run.
        proceed: Any = (
            own.__get__(self)
            if own is not None
            else getattr(super(model, self), _METHOD)
        )
        arguments = (raw, cls, force_insert, force_update, using, update_fields)
        moderation = registry.get(model)
        if (
            raw
            or moderation is None
            or cls is not self._meta.concrete_model
            or not _is_watched(self, moderation, update_fields)
        ):
            return proceed(*arguments)
        # Only autocommit needs a transaction of ours. In the host's own, a multi-table
        # child's included, ``post_save`` may come after the commit: submit here too.
        autocommit = connections[using].get_autocommit()
        with transaction.atomic(using) if autocommit else nullcontext():
            updated = proceed(*arguments)
            database, self._state.db = self._state.db, using
            try:
                hints = submit(
                    self,
                    moderation,
                    using=using,
                    inserted=not updated,
                    update_fields=update_fields,
                )
            except BaseException:
                self._state.db = database
                raise
        self.__dict__.setdefault(_MARK, {})[model] = hints
        return updated

    wrapper: Any = _save_table
    wrapper.contentsafety = True
    wrapper.original = own
    setattr(model, _METHOD, wrapper)


def _is_watched(
    obj: Any, moderation: ModelModeration, update_fields: Collection[str] | None
) -> bool:
    """Whether this save may change the text, from what is known before the write."""
    if not settings.ENABLED:
        return False
    fields = moderation.looked_at
    if fields is None:
        return True
    if update_fields is not None:
        return not fields.isdisjoint(update_fields)
    # Django leaves deferred fields out of the write.
    return not fields <= obj.get_deferred_fields()


def _saved(
    sender: type[Model],
    instance: Any,
    created: bool,
    raw: bool,
    using: str,
    update_fields: Collection[str] | None,
    **kwargs: Any,
) -> None:
    """Wake; and submit where the wrapper did not."""
    submitted = instance.__dict__.pop(_MARK, {})
    if raw:
        return
    hints: list[int] = []
    for moderation in registry.covering(sender):
        if moderation.model in submitted:
            hints += submitted[moderation.model]
        elif _is_watched(instance, moderation, update_fields):
            with _transaction_to_lock_in(using):
                hints += submit(
                    instance,
                    moderation,
                    using=using,
                    inserted=created,
                    update_fields=update_fields,
                )
    if hints:
        tasks.wake_after_commit(using, hints)


def _transaction_to_lock_in(using: str) -> Any:
    """In autocommit the host's write is committed by now, and rows are locked in a
    transaction only. SQLite locks none, and must not begin one with a read."""
    connection = connections[using]
    needed = connection.get_autocommit() and connection.features.has_select_for_update
    return transaction.atomic(using) if needed else nullcontext()


def _deleted(sender: type[Model], instance: Any, using: str, **kwargs: Any) -> None:
    """In the deleter's transaction: no state without an object, no text left."""
    # A child's parents are sent by themselves, and stay with ``keep_parents``.
    model = sender._meta.concrete_model
    moderation = registry.get(model) if model else None
    if moderation is None:
        return
    names = {
        "model": moderation.label,
        "object_key": key_of(moderation.model, instance, using),
    }
    ModerationState.objects.using(using).filter(**names).delete()
    ModerationResult.objects.using(using).filter(**names).erase_texts()


def _family(model: type[Model]) -> list[type[Model]]:
    """The model with its proxies and children, however deep."""
    found = [] if model._meta.abstract else [model]
    for cls in model.__subclasses__():
        found += _family(cls)
    return found


def _connect_signals(cls: type[Model]) -> None:
    post_save.connect(_saved, sender=cls, dispatch_uid=_uid("save", cls))
    post_delete.connect(_deleted, sender=cls, dispatch_uid=_uid("delete", cls))


def _uid(kind: str, cls: type[Model]) -> str:
    return f"contentsafety.{kind}.{cls._meta.label}"


def _prepared(sender: type[Model], **kwargs: Any) -> None:
    """A proxy or child made after its model was registered."""
    if registry.covering(sender):
        _connect_signals(sender)


class_prepared.connect(_prepared, dispatch_uid="contentsafety.prepared")
