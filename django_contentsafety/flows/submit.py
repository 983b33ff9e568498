"""A save becomes a row: the first half of the moderation story.

Runs inside the saver's transaction, after the host's write. It reads no network, no
site table and no other alias, and it is idempotent: an unchanged text costs one read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import IntegrityError, connections
from django.db.models import CharField, Model

from ..documents import (
    Document,
    every_object,
    key_of,
    needs_reading,
    object_key,
    user_key,
)
from ..models import ModerationState, statements
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
    rows = {
        slug: _row(moderation.label, key, slug, document, moderated, facts)
        for slug, document in documents.items()
    }
    found = {} if inserted else _lock(moderation, key, using)
    pks = {slug: _insert(row, using) for slug, row in rows.items() if slug not in found}
    if None in pks.values():
        # Another saver was first, or an old row outlived its object: of some policies
        # perhaps.
        found = {
            slug: row
            for slug, row in _lock(moderation, key, using).items()
            if pks.get(slug) is None
        }
        for slug in pks:
            if pks[slug] is None and slug not in found:
                pks[slug] = _insert(rows[slug], using, must=True)
    waiting = [pk for pk in pks.values() if pk and moderated]
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


#: What of a state decides what a save changes about it.
_LOOKED_AT = (
    "id",
    "policy",
    "generation",
    "content_hash",
    "hash_key",
    "state",
    "decision",
    "decided_generation",
    "author_key",
)


def _lock(
    moderation: ModelModeration, key: str, using: str
) -> dict[str, ModerationState]:
    def locked(marks: Any) -> Any:
        states = ModerationState.objects.using(using).filter(
            model=moderation.label,
            object_key=marks.object_key,
            policy__in=list(moderation.documents),
        )
        # Everybody locks an object's states in this order: nobody waits in a circle.
        states = states.select_for_update().order_by("policy")
        return states.values_list(*_LOOKED_AT)

    names = ("submit", moderation.label, *moderation.documents)
    rows = statements.select(names, using, locked, object_key=key)
    states = [ModerationState.from_db(using, _LOOKED_AT, row) for row in rows]
    return {state.policy: state for state in states}


def _insert(row: ModerationState, using: str, *, must: bool = False) -> int | None:
    """The new row's id; None where there is one already.

    No savepoint: PostgreSQL is told to do nothing then, and elsewhere a statement that
    fails is undone by itself. What fails again is no such conflict: raised.
    """
    ignore = connections[using].vendor == "postgresql" and not must
    try:
        pk: int | None = statements.insert(row, using, ignore_conflicts=ignore)
    except IntegrityError:
        if must or connections[using].vendor == "postgresql":
            raise
        return None
    return pk


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


def _resubmit(
    row: ModerationState, document: Document, facts: Mapping[str, Any], using: str
) -> None:
    def resubmitted(new: Any) -> Any:
        return ModerationState.objects.using(using).filter(
            pk=new.pk
        ), ModerationState.objects.another_text(
            new.content_hash,
            new.hash_key,
            author_key=new.author_key,
            priority=new.priority,
        )

    content_hash, hash_key = document.hash()
    statements.update(
        "resubmit",
        using,
        resubmitted,
        pk=row.pk,
        content_hash=content_hash,
        hash_key=hash_key,
        author_key=facts["author_key"],
        priority=facts["priority"] + EDIT,
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
        _resubmit(row, document, facts, using)
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
