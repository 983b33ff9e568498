"""What a host does to its texts: each operation with what it must leave behind."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from . import texts

#: How often each is done, in a hundred.
WEIGHTS = {
    "create": 28,
    "edit": 18,
    "double_edit": 7,
    "stale_save": 8,
    "fields": 8,
    "unchanged": 4,
    "delete": 5,
    "rollback": 6,
    "savepoint": 4,
    "two_objects": 3,
    "bulk_create": 2,
    "bulk_update": 2,
    "update": 2,
    "unseen_create": 1,
    "unseen_update": 1,
    "unseen_sql": 1,
}
#: Those that send signals: what the naive control can know of.
SIGNALED = ("create", "edit", "double_edit", "stale_save", "fields", "delete")
SIGNALED += ("rollback",)


class Undo(Exception):
    """Raised to roll a transaction back."""


@dataclass(slots=True)
class Step:
    """One operation: what it writes, what it rolls back, and how."""

    op: str
    act: Callable[[], None]
    #: Ids of texts that stand in a row once it has committed.
    keeps: list[str] = field(default_factory=list)
    #: Ids of texts that are never committed, whatever happens.
    rolls: list[str] = field(default_factory=list)
    #: Rows written, where that differs from the texts kept.
    saves: int | None = None
    #: Keys of objects that were created and rolled back; known after the act.
    rolled_keys: list[str] = field(default_factory=list)
    #: The key of an object that goes: its story may begin anew.
    deletes: str = ""


class Author:
    """The objects of one model that one saver writes.

    It deletes and locks several of its own only, so that no two savers can deadlock by
    themselves; single ones it edits whoever's they are.
    """

    def __init__(
        self, model: Any, slot: int, rng: random.Random, name: Callable[[], str]
    ) -> None:
        self.model, self.slot, self.rng, self._name = model, slot, rng, name
        self.canary = ""
        self.mine = list(
            model.objects.filter(slot=slot).order_by("pk").values_list("pk", flat=True)
        )
        #: Loaded a while ago, as by a form that somebody left open.
        self.opened: list[Any] = []

    def step(self, op: str) -> Step:
        """The next operation, ready to be done."""
        if op not in ("create", "bulk_create", "unseen_create") and len(self.mine) < 5:
            op = "create"
        step: Step = getattr(self, op)()
        step.op = op
        return step

    def text(self, *, unseen: bool = False) -> tuple[str, str]:
        """A new text and its id."""
        name = self._name()
        return texts.make(self.rng, name, self.canary, unseen=unseen), name

    def pick(self) -> Any:
        """An object of mine."""
        return self.model.objects.get(pk=self.rng.choice(self.mine))

    def pick_any(self) -> Any:
        """An object of whomever, mine if there is no other."""
        if self.rng.random() < 0.4:
            others = self.model.objects.exclude(slot=self.slot).order_by("-pk")
            some = list(others[: self.rng.randrange(1, 30)])
            if some:
                return some[-1]
        return self.pick()

    def write(self, obj: Any, body: str) -> None:
        obj.body = body
        if hasattr(obj, "decision"):
            obj.decision = ""
        obj.save()

    def create(self) -> Step:
        body, name = self.text()

        def act() -> None:
            self.mine.append(self.model.objects.create(slot=self.slot, body=body).pk)

        return Step("", act, [name])

    def edit(self) -> Step:
        obj = self.pick_any()
        body, name = self.text()
        return Step("", lambda: self.write(obj, body), [name])

    def double_edit(self) -> Step:
        obj = self.pick_any()
        first, lost = self.text()
        second, name = self.text()

        def act() -> None:
            with transaction.atomic():
                self.write(obj, first)
                self.write(obj, second)

        return Step("", act, [name], [lost])

    def stale_save(self) -> Step:
        """The whole row as it was a while ago; a deleted one comes back by it."""
        self.opened.append(self.pick_any())
        if len(self.opened) < 6:
            return self.edit()
        obj = self.opened.pop(0)
        obj.views += 1
        if obj.slot == self.slot and obj.pk not in self.mine:
            self.mine.append(obj.pk)
        return Step("", obj.save, saves=1)

    def fields(self) -> Step:
        obj = self.pick()
        obj.views += 1
        if self.rng.random() < 0.3:
            return Step("", lambda: obj.save(update_fields=["views"]), saves=1)
        obj.body, name = self.text()
        return Step("", lambda: obj.save(update_fields=["body", "views"]), [name])

    def unchanged(self) -> Step:
        return Step("", self.pick().save, saves=1)

    def delete(self) -> Step:
        obj = self.pick()

        def act() -> None:
            self.mine.remove(obj.pk)
            obj.delete()

        return Step("", act, deletes=str(obj.pk))

    def rollback(self) -> Step:
        """A new object and an edit, both undone."""
        obj = self.pick()
        (first, one), (second, two) = self.text(), self.text()
        step = Step("", lambda: None, rolls=[one, two])

        def act() -> None:
            try:
                with transaction.atomic():
                    new = self.model.objects.create(slot=self.slot, body=first)
                    step.rolled_keys.append(str(new.pk))
                    self.write(obj, second)
                    raise Undo
            except Undo:
                pass

        step.act = act
        return step

    def savepoint(self) -> Step:
        """An edit stays, a second one is undone with a new object."""
        obj = self.pick()
        (first, kept), (second, one), (third, two) = [self.text() for _ in range(3)]
        step = Step("", lambda: None, [kept], [one, two])

        def act() -> None:
            with transaction.atomic():
                self.write(obj, first)
                try:
                    with transaction.atomic():
                        new = self.model.objects.create(slot=self.slot, body=third)
                        step.rolled_keys.append(str(new.pk))
                        self.write(obj, second)
                        raise Undo
                except Undo:
                    pass

        step.act = act
        return step

    def two_objects(self) -> Step:
        """Two of mine in one transaction, in the order of their keys."""
        pks = sorted(self.rng.sample(self.mine, 2))
        bodies, names = zip(*(self.text() for _ in pks), strict=True)

        def act() -> None:
            with transaction.atomic():
                for pk, body in zip(pks, bodies, strict=True):
                    self.write(self.model.objects.get(pk=pk), body)

        return Step("", act, list(names))

    def bulk_create(self, **options: Any) -> Step:
        unseen = bool(options)
        bodies, names = zip(*(self.text(unseen=unseen) for _ in "123"), strict=True)

        def act() -> None:
            new = [self.model(slot=self.slot, body=body) for body in bodies]
            created = self.model.objects.bulk_create(new, **options)
            self.mine += [obj.pk for obj in created]

        return Step("", act, list(names))

    def unseen_create(self) -> Step:
        return self.bulk_create(contentsafety="reconcile")

    def bulk_update(self) -> Step:
        pks = self.rng.sample(self.mine, 3)
        objs = list(self.model.objects.filter(pk__in=pks).order_by("pk"))
        names = []
        for obj in objs:
            obj.body, name = self.text()
            names.append(name)

        def act() -> None:
            self.model.objects.bulk_update(objs, ["body"])

        return Step("", act, names)

    def update(self, **options: Any) -> Step:
        body, name = self.text(unseen=bool(options))
        pk = self.rng.choice(self.mine)

        def act() -> None:
            self.model.objects.filter(pk=pk).update(body=body, **options)

        return Step("", act, [name])

    def unseen_update(self) -> Step:
        return self.update(contentsafety="reconcile")

    def unseen_sql(self) -> Step:
        body, name = self.text(unseen=True)
        pk, table = self.rng.choice(self.mine), self.model._meta.db_table

        def act() -> None:
            with connection.cursor() as cursor:
                sql = f"UPDATE {table} SET body = %s WHERE id = %s"  # noqa: S608
                cursor.execute(sql, [body, pk])

        return Step("", act, [name])
