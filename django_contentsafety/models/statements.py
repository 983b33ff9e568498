"""Statements of the hot path: compiled by the ORM once, run by hand after that.

To build and compile a query about one row takes Django several times as long as the
database takes to answer it. So the ORM is asked once for its SQL, with marks where the
values stand, and later only the values are put in. The SQL stays the ORM's own, on
every database.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

from django.db import connections
from django.db.models import Model
from django.db.models.constants import OnConflict
from django.db.models.sql import InsertQuery, UpdateQuery

#: Says what is asked, given marks by the values' names.
Build = Callable[[Any], Any]
#: SQL, parameters, converters of the columns.
Compiled = tuple[str, Sequence[Any], Mapping[int, Any]]
Row = tuple[Any, ...]

#: Marks for numbers count from here: it fits a small integer's column.
_NUMBER = 31_607

#: By what it is, alias and kind of database.
_compiled: dict[Hashable, Statement] = {}


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL, its parameters with the marks in them, and where each value goes."""

    sql: str
    params: tuple[Any, ...] = ()
    places: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: What turns a column's raw value into the field's, by position.
    converters: Mapping[int, Any] = field(default_factory=dict)

    def filled(self, values: Mapping[str, Any]) -> list[Any]:
        """The parameters with ``values`` in the places of the marks."""
        params = list(self.params)
        for name, places in self.places.items():
            for place in places:
                # psycopg's integers are of a class a column.
                kind, value = type(params[place]), values[name]
                params[place] = kind(value) if issubclass(kind, int) else value
        return params

    def converted(self, rows: Sequence[Row], using: str) -> list[Row]:
        """The rows as the fields of the models give them."""
        if not self.converters:
            return list(rows)
        found = [list(row) for row in rows]
        for place, (converters, expression) in self.converters.items():
            for row in found:
                for convert in converters:
                    row[place] = convert(row[place], expression, connections[using])
        return [tuple(row) for row in found]


def updating(
    key: Hashable, using: str, build: Build, values: Mapping[str, Any]
) -> Statement:
    """``rows.update(**changes)`` for the (rows, changes) that ``build`` returns."""

    def compile_it(marks: Any) -> Compiled:
        rows, changes = build(marks)
        query = rows.query.chain(UpdateQuery)
        query.add_update_values(changes)
        return (*query.get_compiler(using).as_sql(), {})

    return _statement(("update", key), using, compile_it, values)


def selecting(
    key: Hashable,
    using: str,
    build: Build,
    values: Mapping[str, Any],
    *,
    is_only: bool = False,
) -> Statement:
    """The ``values_list()`` that ``build`` returns.

    ``is_only``: there is one value and no other parameter. It may then be of any kind:
    a mark would not fit a column of UUIDs.
    """

    def compile_it(marks: Any) -> Compiled:
        compiler = build(marks).query.get_compiler(using)
        sql, params = compiler.as_sql()
        columns = [column for column, *_ in compiler.select]
        return sql, params, compiler.get_converters(columns)

    marks = values if is_only else None
    return _statement(("select", key), using, compile_it, values, marks)


def inserting(
    obj: Model, using: str, *, ignore_conflicts: bool = False
) -> tuple[Statement, list[Any]]:
    """The insert of ``obj``, which gives its key back, and the parameters."""
    connection = connections[using]
    model = type(obj)
    values = {column: column.pre_save(obj, True) for column in _columns(model)}
    # The others are defaults of the database's.
    plain = [f for f, v in values.items() if not hasattr(v, "resolve_expression")]

    def compile_it(marks: Any) -> Compiled:
        conflict = OnConflict.IGNORE if ignore_conflicts else None
        query = InsertQuery(model, on_conflict=conflict)
        query.insert_values(list(values), [obj], raw=False)
        compiler: Any = query.get_compiler(using)
        if connection.features.can_return_columns_from_insert:
            compiler.returning_fields = [model._meta.pk]
        ((sql, params),) = compiler.as_sql()
        if len(params) != len(plain):
            raise LookupError(f"Not every value has its place in: {sql}")
        return sql, (), {}

    key = ("insert", model, ignore_conflicts, tuple(f.attname for f in plain))
    statement = _statement(key, using, compile_it, {})
    params = [column.get_db_prep_save(values[column], connection) for column in plain]
    return statement, params


def update(key: Hashable, using: str, build: Build, **values: Any) -> int:
    """Run ``updating``; return how many rows it found."""
    statement = updating(key, using, build, values)
    with connections[using].cursor() as cursor:
        cursor.execute(statement.sql, statement.filled(values))
        return int(cursor.rowcount)


def select(
    key: Hashable, using: str, build: Build, *, is_only: bool = False, **values: Any
) -> list[Row]:
    """Run ``selecting``; return the rows."""
    statement = selecting(key, using, build, values, is_only=is_only)
    with connections[using].cursor() as cursor:
        cursor.execute(statement.sql, statement.filled(values))
        return statement.converted(cursor.fetchall(), using)


def insert(obj: Model, using: str, *, ignore_conflicts: bool = False) -> Any:
    """Run ``inserting``; return the new row's key, None where there was a conflict."""
    statement, params = inserting(obj, using, ignore_conflicts=ignore_conflicts)
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, params)
        if connection.features.can_return_columns_from_insert:
            row = cursor.fetchone()
            return row[0] if row else None
        if not cursor.rowcount:
            return None
        meta: Any = type(obj)._meta
        return connection.ops.last_insert_id(cursor, meta.db_table, meta.pk.column)


def _statement(
    key: Hashable,
    using: str,
    compile_it: Callable[[Any], Compiled],
    values: Mapping[str, Any],
    marks: Mapping[str, Any] | None = None,
) -> Statement:
    key = (key, using, connections[using].vendor)
    found = _compiled.get(key)
    if found is None:
        marks = marks or _marks(values)
        sql, params, converters = compile_it(SimpleNamespace(**marks))
        places = {
            name: tuple(place for place, param in enumerate(params) if param == mark)
            for name, mark in marks.items()
        }
        if not all(places.values()):
            raise LookupError(f"Not every value has its place in: {sql}")
        found = Statement(sql, tuple(params), places, converters)
        _compiled[key] = found
    return found


def _marks(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: f"mark of {name}" if isinstance(value, str) else _NUMBER + number
        for number, (name, value) in enumerate(values.items())
    }


@cache
def _columns(model: type[Model]) -> list[Any]:
    return [column for column in model._meta.concrete_fields if not column.primary_key]
