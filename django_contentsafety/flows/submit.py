"""A save becomes a row: the first half of the moderation story.

Runs inside the saver's transaction, after the host's write. It reads no network, no
site table and no other alias, and it is idempotent: an unchanged text costs one read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.db.models import CharField, Model

from ..documents import (
    Document,
    every_object,
    key_of,
    needs_reading,
    object_key,
    user_key,
)
from ..models import ModerationState
from ..models.claims import BULK, EDIT
from ..registry import ModelModeration


def submit(
    obj: Any,
    moderation: ModelModeration,
    *,
    using: str,
    inserted: bool = False,
    bulk: bool = False,
    update_fields: Collection[str] | None = None,
) -> list[int]:
    """Bring the states of ``obj`` up to its text; return the ids that wait now.

    ``inserted`` says that the object's row is new, which saves the read; ``bulk``, that
    nobody waits for it; ``update_fields`` are the save's. Call it in the transaction
    that wrote the object, which so holds the object's row lock.
    """
    key = _key(obj, moderation.model, using, inserted)
    obj = _as_written(obj, moderation, using, update_fields)
    values = {name: obj.__dict__[name] for name in moderation.watched}
    moderated = moderation.should_moderate(obj)
    facts = {
        "author_key": user_key(moderation.get_author(obj)),
        "priority": moderation.priority(obj) + (BULK if bulk else 0),
    }
    documents = {
        slug: Document.of(fields, values)
        for slug, fields in moderation.documents.items()
    }
    states = ModerationState.objects.using(using).filter(
        model=moderation.label, object_key=key, policy__in=list(documents)
    )

    def insert(found: Collection[str]) -> list[int]:
        rows = [
            _row(moderation.label, key, slug, document, moderated, facts)
            for slug, document in documents.items()
            if slug not in found
        ]
        if not rows:
            return []
        with transaction.atomic(using):
            rows = ModerationState.objects.using(using).bulk_create(rows)
        return [row.pk for row in rows if row.pk and moderated]

    found = {} if inserted else _lock(states)
    try:
        waiting = insert(found)
    except IntegrityError:
        # Another saver was first, or an old row outlived its object: of some policies
        # perhaps. What fails again is no such thing, and fails the save.
        found = _lock(states)
        waiting = insert(found)
    for slug, row in found.items():
        if _update(row, documents[slug], moderated, facts, using):
            waiting.append(row.pk)
    return waiting


def _key(obj: Any, model: type[Model], using: str, inserted: bool) -> str:
    field: Any = model._meta.pk
    if connections[using].vendor == "mysql" and not inserted:
        # A text key's collation may take KEY-1 for key-1: the save went to a row whose
        # key is another than the object's, and that is whose text changed.
        while field.remote_field is not None:
            field = field.target_field
        if isinstance(field, CharField):
            pk = getattr(obj, model._meta.pk.attname)
            rows = every_object(model, using).filter(pk=pk).values_list("pk", flat=True)
            return object_key(model, rows.get(), using)
    return key_of(model, obj, using)


def _as_written(
    obj: Any,
    moderation: ModelModeration,
    using: str,
    update_fields: Collection[str] | None,
) -> Any:
    """``obj`` as its row is now: what the save did not write may differ on it.

    That holds for what ``should_moderate`` reads as for the text: a draft's stale
    instance must not exempt what was published since.
    """
    fields = moderation.looked_at
    whole = update_fields is None or (
        fields is not None and fields.issubset(update_fields)
    )
    if whole and not needs_reading(obj, sorted(moderation.watched)):
        return obj
    pk = getattr(obj, moderation.model._meta.pk.attname)
    return every_object(moderation.model, using).get(pk=pk)


def _lock(states: Any) -> dict[str, ModerationState]:
    # Everybody locks an object's states in this order, so nobody waits in a circle.
    return {row.policy: row for row in states.select_for_update().order_by("policy")}


def _row(
    label: str,
    key: str,
    slug: str,
    document: Document,
    moderated: bool,
    facts: Mapping[str, Any],
) -> ModerationState:
    content_hash, hash_key = document.hash()
    return ModerationState(
        model=label,
        object_key=key,
        policy=slug,
        content_hash=content_hash,
        hash_key=hash_key,
        state="pending" if moderated else "exempt",
        **facts,
    )


def _update(
    row: ModerationState,
    document: Document,
    moderated: bool,
    facts: Mapping[str, Any],
    using: str,
) -> bool:
    """Write what changed; True where the row waits now because of it."""
    states = ModerationState.objects.using(using).filter(pk=row.pk)
    same = document.matches(row.content_hash, row.hash_key)
    author_key = facts["author_key"]
    if not same:
        content_hash, hash_key = document.hash()
        states.resubmit(
            content_hash,
            hash_key,
            author_key=author_key,
            priority=facts["priority"] + EDIT,
        )
        if moderated:
            return True
        row.state = "pending"
    if not moderated:
        if row.state != "exempt":
            states.update(lease_token="", lease_until=None, state="exempt")
        return False
    if same and row.state == "exempt" and row.is_decided:
        # A draft for a while: what was decided about this very text stands.
        states.update(author_key=author_key, state="done")
        return False
    if same and row.state == "exempt":
        states.update(author_key=author_key, **states.afresh())
        return True
    if same and author_key != row.author_key:
        states.update(author_key=author_key)
    return False
