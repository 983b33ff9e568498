"""The steps of those who write the host's own tables, seen by signals or not."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, connections, transaction
from hypothesis import strategies as st

from tests.model import memory as own
from tests.model.acts import INDEX, INSTANCES, OBJECTS, TEXTS, UNSEEN, step
from tests.model.memory import USING, Memory
from tests.model.promises import hold
from tests.testapp.models import Bulletin, Comment


class Rollback(Exception):
    pass


class Savers:
    """What savers hold and do; ``memory`` is the machine's."""

    memory: Memory
    instances: list[Any]

    # --- Savers that signals see --------------------------------------------------

    @step(kind=st.sampled_from(own.KINDS), body=TEXTS, draft=st.booleans())
    def create(self, kind: type[Any], body: str, draft: bool) -> None:
        if len(self.memory.host) < OBJECTS:
            obj = self._new(kind, body, draft)
            obj.save(using=USING)
            self._keep(obj)

    @step(index=INDEX)
    def load(self, index: int) -> None:
        if (obj := self._object(index)) is not None:
            self._keep(obj)

    @step(index=INDEX, body=TEXTS, draft=st.none() | st.booleans())
    def save(self, index: int, body: str, draft: bool | None) -> None:
        """Of an instance loaded at any earlier time: it may be stale, or deleted."""
        if (obj := self._instance(index)) is not None:
            obj.body = body
            if draft is not None:
                obj.is_draft = draft
            obj.save()
            self.memory.unseen.discard(own.key(obj))

    @step(often=2, index=INDEX, body=TEXTS)
    def save_and_back(self, index: int, body: str) -> None:
        """A → B → A: an answer about A is on its way, and A is another text now."""
        if (obj := self._object(index)) is not None:
            for text in (body, obj.body):
                obj.body = text
                obj.save()
                self.memory.unseen.discard(own.key(obj))
                hold(self.memory)

    @step(index=INDEX)
    def save_unchanged(self, index: int) -> None:
        """A view counter's or an admin form's full save of what was loaded once."""
        if (obj := self._instance(index)) is not None:
            obj.save()
            self.memory.unseen.discard(own.key(obj))

    @step(index=INDEX, body=TEXTS, fields=st.sampled_from(["body", "title", "views"]))
    def save_fields(self, index: int, body: str, fields: str) -> None:
        obj = self._instance(index)
        if obj is None or not hasattr(obj, fields):
            return
        obj.body, obj.title = body, "not bad"[: 3 * (fields == "title")]
        try:
            obj.save(update_fields=[fields])
        except DatabaseError:
            assert own.key(obj) not in self.memory.host  # Deleted meanwhile.
            return
        if fields != "views":
            self.memory.unseen.discard(own.key(obj))

    @step(index=INDEX, body=TEXTS, how=st.sampled_from(["update", "bulk_update"]))
    def update(self, index: int, body: str, how: str) -> None:
        if not isinstance(obj := self._object(index), Comment):
            return
        comments = Comment.objects.using(USING)
        if how == "update":
            comments.filter(pk=obj.pk).update(body=body)
        else:
            obj.body = body
            comments.bulk_update([obj], ["body"])
        self.memory.unseen.discard(own.key(obj))

    @step(body=TEXTS, unseen=st.booleans())
    def bulk_create(self, body: str, unseen: bool) -> None:
        if len(self.memory.host) >= OBJECTS:
            return
        how = "reconcile" if unseen else "submit"
        made = Comment.objects.using(USING).bulk_create(
            [Comment(body=body)], contentsafety=how
        )
        if unseen:
            self.memory.unseen.update(own.key(obj) for obj in made)

    @step(index=INDEX)
    def delete(self, index: int) -> None:
        if (obj := self._object(index)) is not None:
            obj.delete()

    @step(
        index=INDEX,
        kind=st.sampled_from(own.KINDS),
        how=st.sampled_from(["create", "save", "delete", "update", "bulk_create"]),
    )
    def rolled_back(self, index: int, kind: type[Any], how: str) -> None:
        """Its text is one that no committed row ever has."""
        obj = self._object(index)
        body = "bad, and rolled back"
        try:
            with transaction.atomic(USING):
                if how == "create":
                    self._new(kind, body, False).save(using=USING)
                elif how == "bulk_create":
                    Comment.objects.using(USING).bulk_create([Comment(body=body)])
                elif how == "update":
                    Comment.objects.using(USING).update(body=body)
                elif obj is not None and how == "save":
                    obj.body = body
                    obj.save()
                elif obj is not None:
                    obj.delete()
                raise Rollback
        except Rollback:
            pass

    # --- Writers that no signal tells of ------------------------------------------

    @step(often=2, index=INDEX, body=TEXTS, what=UNSEEN)
    def write_unseen(self, index: int, body: str, what: str) -> None:
        if (obj := self._object(index)) is None:
            return
        if what == "text":
            self._execute(obj, "UPDATE {} SET body = %s WHERE id = %s", body)
        elif what == "delete":
            self._execute(obj, "DELETE FROM {} WHERE id = %s")
            self.memory.gone.add(own.key(obj))
        elif isinstance(obj, Comment):
            draft = not obj.is_draft
            self._execute(obj, "UPDATE {} SET is_draft = %s WHERE id = %s", draft)

    # --- How rules find what they work on -----------------------------------------

    def _new(self, kind: type[Any], body: str, draft: bool) -> Any:
        more = {"is_draft": draft} if kind is Comment else {"title": "fine"}
        return kind(body=body, **more)

    def _keep(self, obj: Any) -> None:
        self.instances = [*self.instances, obj][-INSTANCES:]

    def _instance(self, index: int) -> Any:
        return self.instances[index % len(self.instances)] if self.instances else None

    def _object(self, index: int) -> Any:
        """One of those that exist, loaded now."""
        places = sorted(self.memory.host, key=lambda one: (one[0], int(one[1])))
        if not places:
            return None
        label, pk = places[index % len(places)]
        kind = Comment if label == "testapp.comment" else Bulletin
        return kind.objects.using(USING).get(pk=pk)

    def _execute(self, obj: Any, sql: str, *values: Any) -> None:
        with connections[USING].cursor() as cursor:
            cursor.execute(sql.format(obj._meta.db_table), [*values, obj.pk])
        self.memory.unseen.add(own.key(obj))
