"""The built-in categories: heads that were trained before the package was released.

`tools/train_harm` makes ``weights/harm.bin`` and, for the minilm tier,
``harm-minilm.bin``; what their figures are worth is said in
``docs/explanation/engine.md``. Harassment is ours: no service of Azure's knows it.

The format, version 1; numbers are big-endian:

    8 bytes   b"DJCSHARM"
    2 bytes   version of the format
    32 bytes  SHA-256 of the version and of all that follows this field
    4 bytes   length of the header
    header    JSON object, keys sorted, ASCII: "heads", a list of objects with name,
              bytes, and severities: seven rising logits
    heads     the artifacts, one after the other, as `artifacts` describes them
"""

from __future__ import annotations

import hashlib
import json
import struct
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from math import log
from types import MappingProxyType
from typing import Any, NoReturn

from . import artifacts
from .errors import ArtifactError
from .head import Head
from .tiers import FAST, MINILM, tier_named

__all__ = [
    "CATEGORIES",
    "DETECTED_FROM",
    "FILES",
    "FORMAT_VERSION",
    "HarmHead",
    "dump",
    "heads",
    "load",
]

#: Every category of this file, in its order.
CATEGORIES = ("Hate", "Sexual", "Violence", "SelfHarm", "Harassment")
#: The severity from which a category counts as detected: 1 in 100 ordinary texts.
DETECTED_FROM = 4
#: Severities above 0.
SEVERITIES = 7
#: The file of each tier, in ``weights``.
FILES = {FAST.name: "harm.bin", MINILM.name: "harm-minilm.bin"}

FORMAT_VERSION = 1

_MAGIC = b"DJCSHARM"
_VERSION = struct.Struct(">H")
_LENGTH = struct.Struct(">I")
_BODY = len(_MAGIC) + _VERSION.size + hashlib.sha256().digest_size
_EDGE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HarmHead:
    """A head, and the calibrated logits from which each severity begins, rising."""

    head: Head
    severities: tuple[float, ...]

    def severity(self, score: float) -> int:
        """Return 0..7 for a score of the head, 0..1.

        A severity says how rarely an ordinary text scores as high (5 in 100 reach 2,
        1 in 100 reaches 4, 1 in 1000 reaches 6), and nothing of how grave a text is.
        """
        score = min(max(score, _EDGE), 1 - _EDGE)
        return bisect_right(self.severities, log(score / (1 - score)))


@lru_cache(maxsize=4)
def heads(tier: str = FAST.name) -> Mapping[str, HarmHead]:
    """Return the tier's built-in heads by category; the first call reads the file.

    There is no lock, which a fork could leave locked: two threads that come first may
    both read the file, and each gets heads that score alike. Raise ArtifactError where
    the installation is damaged, MissingDependency without numpy.
    """
    name = FILES[tier_named(tier).name]
    return load((files(__package__) / "weights" / name).read_bytes(), tier=tier)


def dump(found: Mapping[str, HarmHead]) -> bytes:
    """Return the file of these heads; the same heads give the same bytes."""
    stored = [
        artifacts.dump(found[name].head, name=name, version=1) for name in CATEGORIES
    ]
    header = [
        {
            "name": name,
            "bytes": len(data),
            "severities": list(found[name].severities),
        }
        for name, data in zip(CATEGORIES, stored, strict=True)
    ]
    encoded = json.dumps({"heads": header}, sort_keys=True, allow_nan=False).encode()
    body = _LENGTH.pack(len(encoded)) + encoded + b"".join(stored)
    number = _VERSION.pack(FORMAT_VERSION)
    digest = hashlib.sha256(number + body).digest()
    return b"".join((_MAGIC, number, digest, body))


def load(data: bytes, *, tier: str = FAST.name) -> Mapping[str, HarmHead]:
    """Return the heads of a file.

    Raise ArtifactError, saying why, for bytes that are no such file, are damaged or
    cut short, are of a newer format, were made with other features, or for another
    tier.
    """
    header, rest = _open(data)
    found = {}
    for one in header:
        stored, rest = rest[: one["bytes"]], rest[one["bytes"] :]
        found[one["name"]] = HarmHead(
            head=artifacts.load(stored, tier=tier), severities=tuple(one["severities"])
        )
    return MappingProxyType(found)


def _open(data: bytes) -> tuple[Sequence[Mapping[str, Any]], bytes]:
    if data[: len(_MAGIC)] != _MAGIC:
        _refuse("The bytes are not the built-in categories of this engine.")
    number = data[len(_MAGIC) : len(_MAGIC) + _VERSION.size]
    if len(data) < _BODY + _LENGTH.size:
        _refuse("They are cut short.")
    (version,) = _VERSION.unpack(number)
    if version != FORMAT_VERSION:
        _refuse(f"Their format is version {version}, not {FORMAT_VERSION}.")
    digest = data[len(_MAGIC) + _VERSION.size : _BODY]
    if hashlib.sha256(number + data[_BODY:]).digest() != digest:
        _refuse("Their checksum is wrong: the file is damaged or cut short.")
    (length,) = _LENGTH.unpack_from(data, _BODY)
    start = _BODY + _LENGTH.size
    # The checksum is our own build's: what it covers is as `dump` wrote it.
    header: list[dict[str, Any]] = json.loads(data[start : start + length])["heads"]
    names = tuple(one["name"] for one in header)
    whole = sum(one["bytes"] for one in header) == len(data) - start - length
    if names != CATEGORIES or not whole:
        _refuse("They are not the categories that this engine knows.")
    for one in header:
        levels = one["severities"]
        if len(levels) != SEVERITIES or levels != sorted(levels):
            _refuse(f"The severities of {one['name']} do not rise.")
    return header, data[start + length :]


def _refuse(reason: str) -> NoReturn:
    raise ArtifactError(
        f"The built-in categories can't be read. {reason}",
        remedy="Install django-contentsafety again.",
        code="artifact",
    )
