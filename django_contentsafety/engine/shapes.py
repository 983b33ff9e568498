"""Read JSON that came from elsewhere, and hold it to the types of a dataclass."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, Field, fields, is_dataclass
from math import isfinite
from types import NoneType, UnionType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from .errors import BundleError

__all__ = ["hold", "read_json"]

#: Levels of lists and objects; a card has five.
MAX_DEPTH = 16
#: JSON's numbers are doubles elsewhere: larger ones would not come back.
MAX_INTEGER = 2**53

_UNFIT = re.compile("[\0\ud800-\udfff]")
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_REMEDY = "The file was changed, or is of another release: export it again."


def read_json(data: bytes, where: str) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raise BundleError, with the file as `where`, for what is not JSON, or what a
    database can't keep: NaN and infinity, numbers beyond 2⁵³, NUL, half characters, a
    key twice, lists in lists beyond `MAX_DEPTH`.
    """
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=lambda pairs: _unique(pairs, where),
            parse_constant=lambda name: _refuse(where, f"It holds {name}."),
        )
        _check(value, where, 0)
    except UnicodeDecodeError:
        _refuse(where, "It is not UTF-8.")
    except RecursionError:
        _refuse(where, "It is nested too deeply.")
    except BundleError:
        raise
    except json.JSONDecodeError as error:
        _refuse(where, f"It is not JSON, at line {error.lineno}: {error.msg}.")
    except ValueError:
        # Python refuses to read numbers of thousands of digits.
        _refuse(where, "It holds a number that is too long.")
    if not isinstance(value, dict):
        _refuse(where, "It is JSON, but not an object.")
    return value


def hold(value: Any, kind: Any, where: str) -> None:
    """Raise BundleError, saying where, unless `value` is JSON of `kind`'s shape.

    `kind` is a dataclass, or made of tuple, list, dict, plain types and None. Keys
    that a dataclass doesn't name are let be; one that it names may lack only where it
    has a default. Whole numbers are not below 0.
    """
    if is_dataclass(kind) and isinstance(kind, type):
        _hold_object(value, kind, where)
        return
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, UnionType) or str(origin) == "typing.Union":
        plain = [option for option in arguments if option is not NoneType]
        if value is None and len(plain) < len(arguments):
            return
        hold(value, plain[0], where)
    elif origin in (tuple, list):
        if not isinstance(value, list):
            _refuse(where, "It is not a list.")
        for index, item in enumerate(value):
            hold(item, arguments[0], f"{where}[{index}]")
    elif origin is not None:
        if not isinstance(value, dict):
            _refuse(where, "It is not an object.")
        for key, item in value.items():
            hold(item, arguments[1], f"{where}.{_short(key)}")
    elif not (type(value) is kind or (kind is float and type(value) is int)):
        _refuse(where, f"It is not {_NAMES.get(kind, 'what belongs here')}.")
    elif kind is int and value < 0:
        _refuse(where, "It is below 0.")


def _hold_object(value: Any, kind: type, where: str) -> None:
    if not isinstance(value, dict):
        _refuse(where, "It is not an object.")
    hints = get_type_hints(kind)
    for field in fields(kind):
        if field.name in value:
            hold(value[field.name], hints[field.name], f"{where}.{field.name}")
        elif not _has_default(field):
            _refuse(where, f"{field.name} is missing.")


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _check(value: Any, where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        _refuse(where, "It is nested too deeply.")
    if isinstance(value, str):
        if _UNFIT.search(value):
            _refuse(where, "It holds NUL or half of a character (a lone surrogate).")
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            _refuse(where, "It holds a number that is too large.")
    elif isinstance(value, float):
        if not isfinite(value):
            _refuse(where, "It holds a number that is too large.")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, where, depth)
            _check(item, f"{where}: {_short(key)}" if not depth else where, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, where, depth + 1)


def _unique(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse(where, "An object in it has the same key twice.")
    return found


def _short(key: str) -> str:
    """A key as a message may show it: it is whatever somebody wrote."""
    return key if key.isascii() and key.isprintable() and len(key) < 60 else "…"


def _refuse(where: str, why: str) -> NoReturn:
    raise BundleError(why, where=where, remedy=_REMEDY, code="shape")
