"""Store a head as bytes that are data and never code.

The format, version 2; numbers are big-endian:

    8 bytes   b"DJCSHEAD"
    2 bytes   version of the format
    32 bytes  SHA-256 of the version and of all that follows this field
    4 bytes   length of the header
    header    JSON object, keys sorted, ASCII: name, version, features (the scheme),
              dimensions, width, nonzero, scale, bias, slope, offset, threshold
    dense     width numbers, IEEE 754 of 4 bytes
    bitmap    dimensions / 8 bytes: which weights are not 0, the first in the high bit
    weights   one signed byte each

At most 150 kB. It is not compressed: the bytes would then depend on the compressor.
Version 1 had no dense part; its features are gone, so its categories are built again.
"""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any, NoReturn

from .errors import ArtifactError, require
from .features import DIMENSIONS
from .head import Head
from .tiers import TIERS, tier_named

__all__ = ["FORMAT_VERSION", "describe", "dump", "load"]

FORMAT_VERSION = 2

_MAGIC = b"DJCSHEAD"
_VERSION = struct.Struct(">H")
_LENGTH = struct.Struct(">I")
_BODY = len(_MAGIC) + _VERSION.size + hashlib.sha256().digest_size
_NUMBERS = ("scale", "bias", "slope", "offset", "threshold")
_BITMAP = DIMENSIONS // 8
_TIERS = {tier.scheme: tier for tier in TIERS.values()}
_BOUND = 1e12
_REBUILD = "Build the version again."


def dump(head: Head, *, name: str, version: int) -> bytes:
    """Return the artifact of a head; the same head gives the same bytes.

    `name` and `version` are the category's, for people who find the file.
    """
    require("numpy", "numpy")
    import numpy as np

    used = head.weights != 0
    header: dict[str, Any] = {number: getattr(head, number) for number in _NUMBERS}
    header |= {
        "name": name,
        "version": version,
        "features": tier_named(head.tier).scheme,
        "dimensions": len(head.weights),
        "width": len(head.dense),
        "nonzero": int(used.sum()),
    }
    encoded = json.dumps(header, sort_keys=True, allow_nan=False).encode("ascii")
    body: bytes = (
        _LENGTH.pack(len(encoded))
        + encoded
        + head.dense.astype(">f4").tobytes()
        + np.packbits(used).tobytes()
        + head.weights[used].tobytes()
    )
    number = _VERSION.pack(FORMAT_VERSION)
    digest = hashlib.sha256(number + body).digest()
    return b"".join((_MAGIC, number, digest, body))


def describe(data: bytes) -> dict[str, Any]:
    """Return an artifact's header and `bytes`, its size, without loading numpy.

    Raise ArtifactError as `load` does.
    """
    header, _ = _open(data)
    return {**header, "bytes": len(data)}


def load(data: bytes, *, tier: str | None = None) -> Head:
    """Return the head, which scores exactly as the one that was stored.

    Raise ArtifactError, saying why, for bytes that are no artifact, are damaged or
    cut short, are of a newer format, were made with other features, or for another
    tier than `tier`, where that is given.
    """
    require("numpy", "numpy")
    import numpy as np

    header, arrays = _open(data)
    made_for = _TIERS[header["features"]].name
    if tier not in (None, made_for):
        _refuse(
            f"It was built for the tier {made_for}, and this is {tier}.",
            remedy=f"Score with the tier {made_for}, or build the version again for "
            f"{tier}.",
        )
    size = _dense_bytes(header)
    dense = np.frombuffer(arrays[:size], dtype=">f4").astype(np.float32)
    # Written so that NaN fails, too.
    if not bool((np.abs(dense) < _BOUND).all()):
        _refuse("Its dense weights are not all usable numbers.")
    dense.flags.writeable = False
    bitmap, values = arrays[size : size + _BITMAP], arrays[size + _BITMAP :]
    used = np.unpackbits(np.frombuffer(bitmap, dtype=np.uint8)).astype(bool)
    if int(used.sum()) != len(values):
        _refuse("Its bitmap and its weights do not agree.")
    weights = np.zeros(DIMENSIONS, dtype=np.int8)
    weights[used] = np.frombuffer(values, dtype=np.int8)
    weights.flags.writeable = False
    numbers = {number: float(header[number]) for number in _NUMBERS}
    return Head(weights=weights, dense=dense, tier=made_for, **numbers)


def _open(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Check everything that needs no numpy; return the header and the arrays."""
    if data[: len(_MAGIC)] != _MAGIC:
        _refuse("The bytes are not a category of this engine.")
    if len(data) < _BODY + _LENGTH.size:
        _refuse("It is cut short.")
    number = data[len(_MAGIC) : len(_MAGIC) + _VERSION.size]
    (found,) = _VERSION.unpack(number)
    if found > FORMAT_VERSION:
        _refuse(
            f"Its format is version {found}; this engine reads {FORMAT_VERSION}.",
            remedy="Upgrade django-contentsafety, or build the version again.",
        )
    if found < FORMAT_VERSION:
        _refuse(f"Its format is version {found}, of features that are no longer made.")
    digest = data[len(_MAGIC) + _VERSION.size : _BODY]
    if hashlib.sha256(number + data[_BODY:]).digest() != digest:
        _refuse("Its checksum is wrong: it is damaged or cut short.")
    (length,) = _LENGTH.unpack_from(data, _BODY)
    start = _BODY + _LENGTH.size
    header = _header(data[start : start + length])
    arrays = data[start + length :]
    if len(arrays) != _dense_bytes(header) + _BITMAP + header["nonzero"]:
        _refuse("Its arrays have another size than its header says.")
    return header, arrays


def _header(encoded: bytes) -> dict[str, Any]:
    # A checksum shows damage, not who wrote the bytes: the header is read with care.
    try:
        header = json.loads(encoded)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        _refuse("Its header cannot be read.")
    made = tuple(map(header.get, ("features", "dimensions", "width")))
    if made not in [(t.scheme, DIMENSIONS, t.width) for t in TIERS.values()]:
        _refuse("It was made with other features than this engine computes.")
    for key, kind in (("name", str), ("version", int), ("nonzero", int)):
        if type(header.get(key)) is not kind:
            _refuse(f"Its header lacks {key}.")
    for key in _NUMBERS:
        value = header.get(key)
        # Written so that NaN fails, too; the bound keeps every logit finite.
        if not isinstance(value, float) or not abs(value) < _BOUND:
            _refuse(f"Its header has no usable {key}.")
    if header["scale"] <= 0 or header["slope"] <= 0:
        _refuse("Its scale or slope is not above 0.")
    if not 0 <= header["threshold"] <= 1:
        _refuse("Its threshold is not within 0 and 1.")
    return header


def _dense_bytes(header: dict[str, Any]) -> int:
    return 4 * _TIERS[header["features"]].width


def _refuse(reason: str, *, remedy: str = _REBUILD) -> NoReturn:
    raise ArtifactError(reason, remedy=remedy, code="artifact")
