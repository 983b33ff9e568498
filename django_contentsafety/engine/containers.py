"""A zip of a few files: written alike every time, read as if an enemy had made it."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import NoReturn

from .errors import BundleError

__all__ = ["MAX_BYTES", "MAX_ENTRIES", "pack", "unpack"]

#: Bytes of the zip, and of all that is in it: both are read into memory.
MAX_BYTES = 50_000_000
#: Files in it.
MAX_ENTRIES = 1000
#: Bytes that one byte may unpack to: text packs 3 to 20 times, deflate up to 1,032.
MAX_RATIO = 200

#: The end record of a zip without a comment (APPNOTE 4.3.16).
_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
_ZIP64_MAGIC = b"PK\x06\x07"
_ZIP64_BYTES = 20
#: Bytes that the directory may spend on one file.
_DIRECTORY_BYTES = 512
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: The oldest date a zip can hold: the time of an export is no part of its content.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_ENCRYPTED = 0x1
_AGAIN = "Export it again, or fetch the file again."


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a zip of the files in their order; the same files give the same bytes.

    They are stored as they are: packed bytes would depend on the packer's version.
    Raise BundleError where they are more, or larger, than `unpack` reads.
    """
    packed = io.BytesIO()
    count = size = 0
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as container:
        for path, data in files:
            count, size = count + 1, size + len(data) + _DIRECTORY_BYTES
            if count > MAX_ENTRIES or size > MAX_BYTES:
                raise BundleError(
                    f"It would be larger than {MAX_BYTES:,} bytes or {MAX_ENTRIES:,} "
                    "files.",
                    remedy="Export fewer versions.",
                    code="too_big",
                )
            entry = zipfile.ZipInfo(path, _EPOCH)
            # Or it would tell which system it was written on.
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            container.writestr(entry, data)
    return packed.getvalue()


def unpack(data: bytes, limits: Mapping[str, int]) -> dict[str, bytes]:
    """Return the files by their path, each held to the bytes that `limits` allow.

    The limit is that of the path's last part (``card.json``); a file without one is
    refused. Raise BundleError for anything else than a plain, whole, small zip.
    Nothing is unpacked before sizes, names and ratios have been looked at.
    """
    _check_end(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as container:
            entries = container.infolist()
            _check(entries, limits)
            return {entry.filename: _read(container, entry) for entry in entries}
    except BundleError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        IndexError,
        NotImplementedError,
        OSError,
        RuntimeError,
        ValueError,
    ):
        raise BundleError(
            "The zip is damaged or cut short.", remedy=_AGAIN, code="damaged"
        ) from None


def _check_end(data: bytes) -> None:
    """Look at the directory's size before zipfile reads the directory."""
    if len(data) > MAX_BYTES:
        raise BundleError(
            f"The file is larger than {MAX_BYTES:,} bytes.",
            remedy="Export fewer versions.",
            code="too_big",
        )
    if data[:2] != b"PK":
        raise BundleError(
            "The file is no zip.",
            remedy="Choose what “Export category” made; samples are uploaded to a "
            "category.",
            code="not_zip",
        )
    if len(data) < _END.size or data[-_END.size :][:4] != _END_MAGIC:
        raise BundleError(
            "The zip has no end: it is cut short, or something follows it.",
            remedy=_AGAIN,
            code="damaged",
        )
    _magic, disk, first, here, count, size, _start, _comment = _END.unpack(
        data[-_END.size :]
    )
    before = data[-_END.size - _ZIP64_BYTES :][:4]
    if before == _ZIP64_MAGIC or (disk, first) != (0, 0) or here != count:
        raise BundleError(
            "The zip is of a kind that no bundle is (zip64, or in several parts).",
            remedy=_AGAIN,
            code="damaged",
        )
    if count > MAX_ENTRIES or size > MAX_ENTRIES * _DIRECTORY_BYTES:
        raise BundleError(
            f"The zip holds more than {MAX_ENTRIES:,} files.",
            remedy="Export fewer versions.",
            code="too_many_files",
        )


def _check(entries: list[zipfile.ZipInfo], limits: Mapping[str, int]) -> None:
    seen: set[str] = set()
    total = 0
    for entry in entries:
        # What the directory says, before zipfile cuts it at a NUL or turns slashes.
        name = entry.orig_filename
        path = name if name.isascii() and name.isprintable() else ascii(name)[:100]
        if path in seen:
            _refuse(path, "The file is in the zip twice.")
        seen.add(path)
        limit = limits.get(name.rpartition("/")[2])
        if entry.filename != name or limit is None or ".." in name or name[0] == "/":
            _refuse(path[:100], "No such file belongs into a bundle.")
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
            _refuse(path, "The file is encrypted, or packed in an unknown way.")
        if entry.file_size > limit:
            _refuse(path, f"The file is larger than {limit:,} bytes.")
        if entry.file_size > MAX_RATIO * (entry.compress_size + 100):
            _refuse(path, f"The file unpacks to more than {MAX_RATIO} times its size.")
        total += entry.file_size
    if total > MAX_BYTES:
        raise BundleError(
            f"It unpacks to more than {MAX_BYTES:,} bytes.",
            remedy="Export fewer versions.",
            code="too_big",
        )


def _read(container: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The file, whose end zipfile holds to its size and to its CRC."""
    with container.open(entry) as file:
        data = file.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        _refuse(entry.filename, "The file has another size than the zip says.")
    return data


def _refuse(where: str, why: str) -> NoReturn:
    raise BundleError(why, where=where, remedy=_AGAIN, code="damaged")
