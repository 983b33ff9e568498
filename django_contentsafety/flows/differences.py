"""What changed from one version to another: samples, definition, provider."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from hashlib import blake2b
from re import findall
from typing import Literal

from ..models import CategoryVersion

#: Texts that are listed of each kind; all are counted.
LISTED = 200
#: Characters of a definition that are compared (the column allows 1,000).
MAX_DEFINITION = 5_000

Mark = Literal["same", "gone", "new"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A sample that is in one version alone, or in both with another label."""

    text: str
    #: Its label; of a relabeled one, that in the newer version.
    is_positive: bool


@dataclass(slots=True)
class Kind:
    """Samples of one kind: how many, and the first ones."""

    count: int = 0
    listed: list[Change] = field(default_factory=list)

    def add(self, text: str, *, is_positive: bool) -> None:
        self.count += 1
        if len(self.listed) < LISTED:
            self.listed.append(Change(text=text, is_positive=is_positive))


@dataclass(slots=True)
class Difference:
    """What is different in ``after``. Erased samples can't be compared."""

    before: CategoryVersion
    after: CategoryVersion
    added: Kind = field(default_factory=Kind)
    removed: Kind = field(default_factory=Kind)
    relabeled: Kind = field(default_factory=Kind)
    unchanged: int = 0
    #: Lines of either version that hold no sample (any more).
    erased: int = 0

    @property
    def is_empty(self) -> bool:
        kinds = (self.added, self.removed, self.relabeled)
        return not any(kind.count for kind in kinds)


def compare(before: CategoryVersion, after: CategoryVersion) -> Difference:
    """Compare two frozen versions.

    Memory: the frozen file of one version at a time, some 150 bytes a sample of the
    older one, and the texts that are listed.
    """
    found = Difference(before=before, after=after)
    labels: dict[bytes, bool] = {}
    for sample in _samples(before, found):
        labels[_key(sample.text)] = sample.is_positive
    for sample in _samples(after, found):
        label = labels.pop(_key(sample.text), None)
        if label is None:
            found.added.add(sample.text, is_positive=sample.is_positive)
        elif label != sample.is_positive:
            found.relabeled.add(sample.text, is_positive=sample.is_positive)
        else:
            found.unchanged += 1
    found.removed.count = len(labels)
    if labels:
        # What is left is only known by its key: read its texts.
        for sample in _samples(before, None):
            if _key(sample.text) in labels:
                found.removed.listed.append(sample)
                if len(found.removed.listed) == LISTED:
                    break
    return found


def compare_words(before: str, after: str) -> list[tuple[Mark, str]]:
    """Pieces of two definitions, in reading order: same, gone or new."""
    old = findall(r"\s+|\w+|.", before[:MAX_DEFINITION])
    new = findall(r"\s+|\w+|.", after[:MAX_DEFINITION])
    pieces: list[tuple[Mark, str]] = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for kind, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(("same", "".join(old[old_from:old_to])))
            continue
        marks: tuple[tuple[Mark, str], ...] = (
            ("gone", "".join(old[old_from:old_to])),
            ("new", "".join(new[new_from:new_to])),
        )
        pieces += [(mark, text) for mark, text in marks if text]
    return pieces


def _samples(version: CategoryVersion, found: Difference | None) -> Iterator[Change]:
    for line in _lines(version):
        try:
            row = json.loads(line)
            text, is_positive = row["text"], row.get("isPositive", True)
        except (ValueError, TypeError, KeyError, AttributeError):
            text = is_positive = None
        if isinstance(text, str) and isinstance(is_positive, bool):
            yield Change(text=text, is_positive=is_positive)
        elif found is not None:
            found.erased += 1


def _lines(version: CategoryVersion) -> Iterator[bytes]:
    """What it is built from, then what was withheld from that; one at a time."""
    for column in ("samples_jsonl", "withheld_jsonl"):
        frozen = CategoryVersion.objects.values_list(column, flat=True)
        yield from io.BytesIO(frozen.get(pk=version.pk))


def _key(text: str) -> bytes:
    """As ``engine.samples.text_hash`` tells samples apart, in fewer bytes."""
    stripped = text.strip().encode("utf-8", "surrogatepass")
    return blake2b(stripped, digest_size=16).digest()
