"""Which texts of which data sets are ordinary: the sets' licenses are in NOTICE."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from django_contentsafety.engine.background import SOURCES
from django_contentsafety.engine.folds import essence
from tools.train_harm import sources
from tools.train_harm.rows import CATEGORIES, Row
from tools.train_harm.texts import own_rows

__all__ = ["chosen", "ordinary_texts"]


def ordinary_texts(folder: Path) -> dict[str, list[str]]:
    """Return each source's ordinary texts, near-duplicates once, in a fixed order.

    The order is that of the texts' SHA-256, so the first hundred are any hundred.
    """
    readers: dict[str, Callable[[Path], Iterable[str]]] = {
        "civil": _civil,
        "clinc": _clinc,
        "banking": _banking,
        "edos": _edos,
        "davidson": _davidson,
        "sms": _benign(sources.sms),
        "surge": _benign(sources.surge),
        "toxigen": _benign(sources.toxigen),
        "own": lambda _: _own(),
    }
    return {source: chosen(readers[source](folder)) for source in SOURCES}


def chosen(texts: Iterable[str]) -> list[str]:
    """Return different texts, ordered by their SHA-256."""
    found = {essence(text): text for text in sorted(texts) if text.strip()}
    return sorted(found.values(), key=lambda text: sha256(text.encode()).digest())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _civil(folder: Path) -> Iterable[str]:
    """Comments that most annotators called not toxic, or marked nothing in."""
    texts = {
        row["comment_id"]: row["comment_text"]
        for row in _rows(folder / "toxic_spans_comments.csv")
    }
    comment, said, clean = {}, Counter[str](), Counter[str]()
    for row in _rows(folder / "toxic_spans_annotations.csv"):
        comment[row["annotation"]] = row["comment_id"]
        said[row["comment_id"]] += 1
        clean[row["comment_id"]] += row["not toxic"] == "True"
    marked = defaultdict(set)
    for row in _rows(folder / "toxic_spans_spans.csv"):
        if row["annotation"] in comment:
            marked[comment[row["annotation"]]].add(row["annotation"])
    for number, text in texts.items():
        if said[number] and (clean[number] * 2 > said[number] or not marked[number]):
            yield text


def _clinc(folder: Path) -> Iterable[str]:
    parts = json.loads((folder / "clinc150_data_full.json").read_text("utf-8"))
    for rows in parts.values():
        for text, _intent in rows:
            yield text


def _banking(folder: Path) -> Iterable[str]:
    for part in ("train", "test"):
        for row in _rows(folder / f"banking77_{part}.csv"):
            yield row["text"]


def _edos(folder: Path) -> Iterable[str]:
    for row in _rows(folder / "edos_labelled_aggregated.csv"):
        if row["label_sexist"] == "not sexist":
            yield row["text"]


def _davidson(folder: Path) -> Iterable[str]:
    for row in _rows(folder / "davidson_labeled_data.csv"):
        if row["class"] == "2":  # neither hateful nor offensive
            yield row["tweet"]


def _benign(read: Callable[[Path], Iterable[Row]]) -> Callable[[Path], Iterable[str]]:
    """What a data set of harm calls harmless in every way."""

    def texts(folder: Path) -> Iterable[str]:
        return (row.text for row in read(folder) if _is_harmless(row))

    return texts


def _own() -> Iterable[str]:
    """The harmless ones of the texts that the built-in categories learn from.

    One of each frame: the others differ from it in the name of a group.
    """
    frames: dict[str, str] = {}
    for row in own_rows():
        if _is_harmless(row):
            frames.setdefault(row.group, row.text)
    return frames.values()


def _is_harmless(row: Row) -> bool:
    return len(row.labels) == len(CATEGORIES) and not any(row.labels.values())
