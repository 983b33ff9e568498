"""How a database goes about a statement: the plan's shape, without its numbers."""

from __future__ import annotations

import json
import re
from typing import Any

_STATEMENT = re.compile(r"^(SELECT|UPDATE|DELETE|WITH)\b", re.I)
#: The tables that grow.
_ROW_TABLE = re.compile(
    r"contentsafety_moderation(state|result)|bench_moderated|testapp_comment"
)


def shapes(queries: list[dict[str, str]], connection: Any) -> list[str]:
    """The shape of each different statement that reads a table that grows."""
    found: dict[str, str] = {}
    for query in queries:
        sql = query["sql"]
        if _STATEMENT.match(sql) and _ROW_TABLE.search(sql):
            # One of many alike: the same words with other values.
            words = re.sub(r"'[^']*'|\b\d+\b|\([\d, ]+\)", "", sql)
            if words not in found:
                found[words] = shape(sql, connection)
    return list(found.values())


def shape(sql: str, connection: Any) -> str:
    """Nodes and indexes from the top, as the database names them."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            (plan,) = cursor.fetchone()
            plan = json.loads(plan) if isinstance(plan, str) else plan
            return _nodes(plan[0]["Plan"])
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            return "; ".join(row[3] for row in cursor.fetchall())
        cursor.execute(f"EXPLAIN {sql}")
        names = [column[0].lower() for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return "; ".join(
            f"{row['table']}: {row['type']} {row['key'] or 'no index'}" for row in rows
        )


def _nodes(node: dict[str, Any]) -> str:
    name = node["Node Type"]
    place = node.get("Index Name") or node.get("Relation Name")
    words = f"{name} {place}" if place else name
    below = [_nodes(child) for child in node.get("Plans", [])]
    return words + (f" ({'; '.join(below)})" if below else "")
