"""Column types that must be right in the first migration: painful to change later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import CharField
from django.db.models.functions import Now

if TYPE_CHECKING:
    # Generic to the type checker alone.
    TextColumn = CharField[Any, str]
else:
    TextColumn = CharField


class KeyField(TextColumn):
    """Text compared byte for byte, whatever the host's collation.

    MySQL and MariaDB compare in the column's collation, which by default folds case
    and pads: 'KEY-1' and 'key-1 ' would be one key. Measured on MariaDB 10.11;
    MySQL 8's ``utf8mb4_0900_bin`` is its documented equal, not run here.
    """

    def db_parameters(self, connection: Any) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = (
                "utf8mb4_nopad_bin"
                if connection.mysql_is_mariadb
                else "utf8mb4_0900_bin"
            )
        return parameters


class DbNow(Now):
    """The database's own clock, in UTC, on every database.

    ``Now`` is the session's local time on MySQL and MariaDB while Django stores UTC;
    a lease written in one and compared in the other is hours off. No due or lease
    column ever gets a Python time: workers' clocks differ.
    """

    def as_mysql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **extra)


def restrict_or_clear(collector: Any, field: Any, objs: Any, using: str) -> None:
    """``on_delete``: as RESTRICT, for two tables that refer to each other.

    What is referred to goes only together with what refers to it, and the reference
    is cleared before: MySQL and MariaDB check foreign keys row by row.
    """
    collector.add_restricted_objects(field, objs)
    collector.add_field_update(field, None, objs)
