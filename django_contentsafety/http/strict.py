"""JSON as it should be: what is only nearly so is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from math import isfinite
from typing import Any, NoReturn

#: Levels of nesting; deeper, something that walks the answer would fail later.
MAX_DEPTH = 32

#: What a database column or a UTF-8 stream can't hold.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class NotStrict(ValueError):
    """The bytes are no answer; the message says why without quoting them."""


def parse_json(data: bytes) -> dict[str, Any]:
    """The object in ``data``: UTF-8, no duplicate keys, numbers finite, not too deep.

    Raise NotStrict for anything else.
    """
    problem = "is not JSON"
    value: Any = None
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except NotStrict as error:
        problem = str(error)
    except RecursionError:
        problem = "is nested too deeply"
    except ValueError:
        pass
    else:
        problem = "" if isinstance(value, dict) else "is not a JSON object"
        problem = problem or _explain(value)
    if problem:
        # Not inside the except: a JSONDecodeError carries the document.
        raise NotStrict(problem)
    answer: dict[str, Any] = value
    return answer


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    answer = dict(pairs)
    if len(answer) != len(pairs):
        raise NotStrict("has a key twice")
    return answer


def _refuse(constant: str) -> NoReturn:
    raise NotStrict(f"holds {constant}")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise NotStrict("holds a number beyond all bounds")
    return number


def _explain(value: Any) -> str:
    """What nobody could store later; empty where all is well. Not recursive."""
    level = [value]
    for _depth in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.keys()
                below += item.values()
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str) and _UNSTORABLE.search(item):
                return "holds characters that can't be stored"
        if not below:
            return ""
        level = below
    return "is nested too deeply"
