"""A category in one file, to be moved or kept: a zip of JSON and sample lines.

The layout, version 1 (docs/reference/bundle.md):

    bundle.json                 what it is, and each other file's size and SHA-256
    samples.jsonl               the category's samples
    versions/N/samples.jsonl    those that version N was frozen with
    versions/N/card.json        its evaluation card, where it has one
    versions/N/artifact.bin     what scores, where it has one: data, never code
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, NoReturn

from .containers import MAX_BYTES, pack, unpack
from .errors import BundleError
from .samples import parse_jsonl
from .shapes import hold, read_json

__all__ = ["FORMAT", "FORMAT_VERSION", "Bundle", "BundledVersion", "dump", "load"]

FORMAT = "django-contentsafety category"
FORMAT_VERSION = 1

MANIFEST = "bundle.json"
SAMPLES = "samples.jsonl"
#: Bytes of each kind of file. A card of 10,000 samples takes about 1 MB.
LIMITS = {
    MANIFEST: 1_000_000,
    SAMPLES: MAX_BYTES,
    "card.json": 4_000_000,
    "artifact.bin": 4_000_000,
}
#: What a version may be in a bundle; others are not exported.
STATUSES = ("frozen", "ready", "retired")
#: A number that every database holds.
MAX_NUMBER = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """What the manifest says of a version."""

    number: int
    definition: str
    #: The alias it was frozen for, on the site it came from.
    provider: str
    status: str
    positives: int
    negatives: int
    #: Erasure has taken texts out of its samples.
    redacted: bool
    #: ISO 8601, UTC.
    frozen_at: str
    ready_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledVersion:
    """A version with all that was made of it."""

    facts: VersionFacts
    samples: bytes = field(repr=False)
    card: dict[str, Any] | None = field(default=None, repr=False)
    artifact: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryFacts:
    """What the manifest says of the category."""

    name: str
    definition: str
    #: The alias on the site it came from.
    provider: str
    #: The last number given there: numbers are never reused.
    last_number: int
    #: The number that was active there.
    active: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A category, its samples as JSON lines, and its versions by rising number."""

    category: CategoryFacts
    samples: bytes = field(repr=False)
    versions: tuple[BundledVersion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _FileFacts:
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    """The shape of bundle.json; keys it doesn't name are let be."""

    format: str
    format_version: int
    category: CategoryFacts
    versions: tuple[VersionFacts, ...]
    files: dict[str, _FileFacts]


def dump(bundle: Bundle) -> bytes:
    """Return the bundle as a file; the same bundle gives the same bytes.

    Raise BundleError where it would be larger than `load` reads.
    """
    files = dict(_files(bundle))
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "category": asdict(bundle.category),
        "versions": [asdict(version.facts) for version in bundle.versions],
        "files": {
            path: {"bytes": len(data), "sha256": sha256(data).hexdigest()}
            for path, data in files.items()
        },
    }
    return pack([(MANIFEST, _write_json(manifest)), *files.items()])


def load(data: bytes) -> Bundle:
    """Return what `dump` wrote, whole and undamaged.

    Raise BundleError, saying where and what to do, for everything else. What a
    database or a provider has to say about it is the caller's to ask.
    """
    files = unpack(data, LIMITS)
    manifest = _manifest(files)
    _check_files(files, manifest["files"])
    known = {MANIFEST, SAMPLES}
    _read_samples(files, SAMPLES)
    category = _facts(CategoryFacts, manifest["category"])
    rows: list[VersionFacts] = [_facts(VersionFacts, r) for r in manifest["versions"]]
    last = 0
    for row in rows:
        _check_version(row, last, category.last_number)
        last = row.number
        known |= {_path(last, name) for name in (SAMPLES, "card.json", "artifact.bin")}
    if more := sorted(files.keys() - known):
        _refuse(more[0], "No version that bundle.json names has this file.")
    if category.last_number > MAX_NUMBER:
        _refuse(MANIFEST, "category.last_number is too large.")
    return Bundle(
        category=category,
        samples=files[SAMPLES],
        versions=tuple(_version(files, row) for row in rows),
    )


def _files(bundle: Bundle) -> Iterator[tuple[str, bytes]]:
    yield SAMPLES, bundle.samples
    for version in bundle.versions:
        number = version.facts.number
        yield _path(number, SAMPLES), version.samples
        if version.card is not None:
            yield _path(number, "card.json"), _write_json(version.card)
        if version.artifact is not None:
            yield _path(number, "artifact.bin"), version.artifact


def _manifest(files: dict[str, bytes]) -> dict[str, Any]:
    if MANIFEST not in files:
        raise BundleError(
            "The zip holds no bundle.json, so it is no bundle.",
            remedy="Choose what “Export category” made.",
            code="not_bundle",
        )
    manifest = read_json(files[MANIFEST], MANIFEST)
    if manifest.get("format") != FORMAT:
        raise BundleError(
            "It is not a category of django-contentsafety.",
            where=MANIFEST,
            remedy="Choose what “Export category” made.",
            code="not_bundle",
        )
    found = manifest.get("format_version")
    if type(found) is int and found > FORMAT_VERSION:
        raise BundleError(
            f"Its format is version {found}; this release reads {FORMAT_VERSION}.",
            where=MANIFEST,
            remedy="Upgrade django-contentsafety, or export it with an older release.",
            code="newer",
        )
    hold(manifest, _Manifest, MANIFEST)
    if found < 1:  # type: ignore[operator]
        _refuse(MANIFEST, "Its format_version is no number from 1 on.")
    return manifest


def _check_files(files: dict[str, bytes], named: dict[str, dict[str, Any]]) -> None:
    if SAMPLES not in named:
        _refuse(MANIFEST, "It does not name samples.jsonl.")
    for path in sorted(files.keys() - named.keys() - {MANIFEST}):
        _refuse(path, "bundle.json does not name this file.")
    for path, facts in sorted(named.items()):
        data = files.get(path)
        if data is None:
            _refuse(MANIFEST, "It names a file that the zip does not hold.")
        if (len(data), sha256(data).hexdigest()) != (facts["bytes"], facts["sha256"]):
            _refuse(path, "Its checksum is wrong: it was damaged or changed.")


def _check_version(facts: VersionFacts, last: int, highest: int) -> None:
    where = f"{MANIFEST}: version {facts.number}"
    if not last < facts.number <= min(highest, MAX_NUMBER):
        _refuse(where, "The versions' numbers don't rise up to last_number.")
    if facts.status not in STATUSES:
        _refuse(where, f"Its status is none of {', '.join(STATUSES)}.")


def _version(files: dict[str, bytes], facts: VersionFacts) -> BundledVersion:
    path = _path(facts.number, SAMPLES)
    if path not in files:
        _refuse(MANIFEST, f"Version {facts.number} has no samples.")
    if not facts.redacted:
        counts = _read_samples(files, path)
        if counts != (facts.positives, facts.negatives):
            _refuse(path, "It holds other numbers of samples than bundle.json says.")
    card = None
    card_path = _path(facts.number, "card.json")
    if card_path in files:
        # Any provider's: who shows it (`stored_cards`) leaves out what doesn't fit.
        card = read_json(files[card_path], card_path)
    return BundledVersion(
        facts=facts,
        samples=files[path],
        card=card,
        artifact=files.get(_path(facts.number, "artifact.bin")),
    )


def _read_samples(files: dict[str, bytes], path: str) -> tuple[int, int]:
    """(positives, negatives) of a file in which every line can be read."""
    data = files[path]
    size = max(len(data), 1)
    parsed = parse_jsonl(data, max_line_bytes=size, max_bytes=size)
    if parsed.errors:
        # In the words of an upload, with the line.
        _refuse(path, str(parsed.errors[0]))
    positives = sum(sample.is_positive for _line, sample in parsed.samples)
    return positives, len(parsed.samples) - positives


def _facts(kind: Any, row: dict[str, Any]) -> Any:
    """The dataclass of a row that was held to it; its other keys are left out."""
    return kind(**{name: row[name] for name in kind.__slots__ if name in row})


def _path(number: int, name: str) -> str:
    return f"versions/{number}/{name}"


def _write_json(value: Any) -> bytes:
    text = json.dumps(
        value, ensure_ascii=True, sort_keys=True, indent=1, allow_nan=False
    )
    return text.encode("ascii") + b"\n"


def _refuse(where: str, why: str) -> NoReturn:
    raise BundleError(
        why,
        where=where,
        remedy="Export it again, or fetch the file again.",
        code="damaged",
    )
