"""What is moderated of an object: its key, its text, its hash, its author.

The watched fields in declared order, joined by a blank line, are one document.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import QuerySet

from .conf import hash_keys
from .verdicts import Span

if TYPE_CHECKING:
    from django.db.models import Model

#: Between two fields of one document.
JOIN = "\n\n"


@dataclass(frozen=True, slots=True)
class Document:
    """The named texts of one object, in declared order."""

    parts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, fields: Sequence[str], values: Mapping[str, Any]) -> Document:
        """From values by field name; None is the empty text."""
        return cls(tuple((name, _as_text(values[name])) for name in fields))

    @property
    def text(self) -> str:
        """The whole, as one analysis sees it."""
        return JOIN.join(text for _, text in self.parts)

    def locate(self, start: int, end: int, **extra: Any) -> list[Span]:
        """Map a range of ``text`` to spans of its fields, never across the join."""
        spans, offset = [], 0
        for name, text in self.parts:
            low, high = max(start - offset, 0), min(end - offset, len(text))
            if low < high:
                spans.append(Span(field=name, start=low, end=high, **extra))
            offset += len(text) + len(JOIN)
        return spans

    def hash(self) -> tuple[str, str]:
        """(hash, key id) under the newest key.

        The hash is keyed, so that a copied table does not tell who wrote what.
        """
        key_id, key = next(iter(_keys(tuple(hash_keys())).items()))
        return self._digest(key), key_id

    def matches(self, content_hash: str, key_id: str) -> bool:
        """Whether this is the text that was hashed, under whichever known key."""
        key = _keys(tuple(hash_keys())).get(key_id)
        return key is not None and hmac.compare_digest(self._digest(key), content_hash)

    def _digest(self, key: bytes) -> str:
        canonical = json.dumps(self.parts, ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate is a legal str; a plain encode would fail the host's save.
        message = canonical.encode("utf-8", "surrogatepass")
        return hmac.new(key, message, sha256).hexdigest()


def object_key(model: type[Model], value: Any, using: str) -> str:
    """The object's primary key as the row tables store it (DESIGN §5).

    Equal, on every database, to ``Cast("pk", CharField(max_length=255))``.
    """
    return str(prepared_key(model, value, using))


def prepared_key(model: type[Model], value: Any, using: str) -> Any:
    """The object's primary key as the database's driver takes it."""
    field: Any = model._meta.pk
    # A multi-table child's key is its parent's; the column's own kind decides.
    while field.remote_field is not None:
        field = field.target_field
    return field.get_db_prep_value(value, connections[using], prepared=False)


def key_of(model: type[Model], obj: Any, using: str) -> str:
    """The key of ``obj`` as a row of the *registered* ``model`` (a child has both)."""
    return object_key(model, getattr(obj, model._meta.pk.attname), using)


def user_key(user: Any) -> str:
    """A user, a key or None as text; anonymous and None are empty."""
    if user is None:
        return ""
    key = getattr(user, "pk", user)
    return "" if key is None else str(key)


def every_object(model: type[Model], using: str) -> QuerySet[Any]:
    """All of the model's rows in ``using``.

    None of the host's managers is asked: one that hides what is deleted softly would
    make a text look gone.
    """
    return QuerySet(model, using=using)


def needs_reading(obj: Any, fields: Sequence[str]) -> bool:
    """Whether the object doesn't hold what the row holds.

    Deferred fields are not loaded, and an ``F()`` or ``Concat()`` is no text before
    the database has evaluated it.
    """
    loaded = obj.__dict__
    return any(
        name not in loaded or hasattr(loaded[name], "resolve_expression")
        for name in fields
    )


def _as_text(value: Any) -> str:
    return "" if value is None else str(value)


@cache
def _keys(keys: tuple[bytes, ...]) -> dict[str, bytes]:
    return {sha256(b"contentsafety" + key).hexdigest()[:8]: key for key in keys}
