"""Statements that are compiled once: the ORM's SQL, with other values."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from django_contentsafety.documents import every_object, prepared_key
from django_contentsafety.models import ModerationState, statements
from tests.testapp.models import Comment, Note, Page, Photo

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    fresh: dict[Any, Any] = {}
    monkeypatch.setattr(statements, "_compiled", fresh)
    return fresh


def state(**names: Any) -> ModerationState:
    names = {"model": "m", "object_key": "k", "policy": "p", **names}
    return ModerationState(content_hash="h", hash_key="k", **names)


@pytest.mark.parametrize("key", ["p", "m", "k", "mark of key", "", "%s", "';--"])
def test_a_value_takes_its_own_place_and_no_other(using: str, key: str) -> None:
    """Also where it equals another parameter, in the first call and in later ones."""
    pk = statements.insert(state(object_key=key), using)
    other = statements.insert(state(object_key="other"), using)

    def found(marks: Any) -> Any:
        rows = ModerationState.objects.using(using)
        rows = rows.filter(model="m", object_key=marks.wanted, policy__in=["p", "k"])
        return rows.values_list("pk", "object_key")

    assert statements.select("found", using, found, wanted=key) == [(pk, key)]
    assert statements.select("found", using, found, wanted="other") == [
        (other, "other")
    ]
    assert statements.select("found", using, found, wanted="none") == []


def test_an_update_is_compiled_once_and_counts_its_rows(using: str) -> None:
    pks = [statements.insert(state(object_key=str(n)), using) for n in range(3)]
    compilations: list[Any] = []

    def raised(marks: Any) -> Any:
        compilations.append(marks)
        rows = ModerationState.objects.using(using).filter(pk=marks.pk)
        return rows, {"round": F("round") + 1, "author_key": marks.author}

    for number, pk in enumerate(pks):
        changed = statements.update("raised", using, raised, pk=pk, author=f"a{number}")
        assert changed == 1
    assert statements.update("raised", using, raised, pk=-1, author="nobody") == 0
    assert len(compilations) == 1
    rows = ModerationState.objects.using(using).order_by("pk")
    assert list(rows.values_list("round", "author_key")) == [
        (1, "a0"),
        (1, "a1"),
        (1, "a2"),
    ]


def test_an_insert_stores_what_a_save_stores(using: str) -> None:
    pk = statements.insert(state(priority=7, policy_version=3), using)
    saved = state(object_key="saved", priority=7, policy_version=3)
    saved.save(using=using)
    inserted = ModerationState.objects.using(using).get(pk=pk)
    saved.refresh_from_db()
    differ = {"id", "object_key", "available_at", "first_pending_at", "created_at"}
    for column in ModerationState._meta.concrete_fields:
        if column.name not in differ:
            name = column.attname
            assert getattr(inserted, name) == getattr(saved, name), name
    assert inserted.created_at is not None


def test_a_conflict_is_ignored_or_raised_as_asked(using: str) -> None:
    assert statements.insert(state(), using, ignore_conflicts=True)
    assert statements.insert(state(), using, ignore_conflicts=True) is None
    with pytest.raises(IntegrityError), transaction.atomic(using):
        statements.insert(state(), using)
    assert ModerationState.objects.using(using).count() == 1


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (Comment, {}),
        (Photo, {}),
        (Note, {"id": uuid.uuid4()}),
        (Page, {"slug": "Mark of pk "}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_kind_of_key_finds_its_object(
    using: str, model: Any, values: dict[str, Any]
) -> None:
    objs = [model(**values)]
    if not values:
        objs.append(model())
    for obj in objs:
        obj.save(using=using)

    def found(marks: Any) -> Any:
        return every_object(model, using).filter(pk=marks.pk).values_list("pk")

    for obj in objs:
        pk = prepared_key(model, obj.pk, using)
        rows = statements.select("found", using, found, is_only=True, pk=pk)
        # As the field gives it: a UUID from a text, say.
        assert rows == [(obj.pk,)]


def test_a_value_without_a_place_is_refused(using: str) -> None:
    def forgetful(marks: Any) -> Any:
        return ModerationState.objects.using(using).values_list("pk")

    with pytest.raises(LookupError):
        statements.select("forgetful", using, forgetful, wanted="k")


def test_each_alias_has_its_own(using: str) -> None:
    """What one database was asked is not what another one is."""

    def found(alias: str) -> Any:
        return lambda marks: (
            ModerationState.objects.using(alias)
            .filter(pk=marks.pk)
            .values_list("object_key")
        )

    pks = {
        alias: statements.insert(state(object_key=alias), alias)
        for alias in {"default", using}
    }
    for alias, pk in pks.items():
        assert statements.select("found", alias, found(alias), pk=pk) == [(alias,)]


def test_a_number_keeps_its_column_s_class(using: str) -> None:
    """psycopg's driver goes by it; the ORM chose it for the column."""

    def raised(marks: Any) -> Any:
        rows = ModerationState.objects.using(using).filter(pk=marks.pk)
        return rows, {"priority": F("priority") + marks.more}

    statement = statements.updating("raised", using, raised, {"pk": 1, "more": 2})
    filled = statement.filled({"pk": 5, "more": 6})
    assert sorted(filled) == [5, 6]
    assert [type(value) for value in filled] == [type(p) for p in statement.params]
