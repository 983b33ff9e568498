"""Topics that a site might train a category for, made of public data sets.

Each is a source's texts of one label among its other texts. `ORDINARY` are texts of
each source that belong to none of the topics of another source.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["ORDINARY", "Topic", "ordinary_texts", "read_topics"]

#: Sources of texts that have nothing to do with a topic of another source.
ORDINARY = ("sms", "surge", "civil", "clinc", "banking", "edos", "davidson")

_NOT_LETTERS = re.compile(r"[\W_]+")
_LOSS = {
    "card_payment_not_recognised",
    "cash_withdrawal_not_recognised",
    "compromised_card",
    "direct_debit_payment_not_recognised",
    "lost_or_stolen_card",
    "lost_or_stolen_phone",
}
_DOMAINS = ("auto_and_commute", "kitchen_and_dining", "work")
# Not unrelated to what another bank is asked.
_OF_BANKS = ("banking", "credit_cards")
_SPANS = {
    "identity attacks": "Identity based Attack",
    "insults": "Insult",
    "threats": "Threat",
}


@dataclass(frozen=True, slots=True)
class Topic:
    """Texts that belong, and texts of the same source that do not, each once."""

    name: str
    source: str
    positives: tuple[str, ...]
    near: tuple[str, ...]


def read_topics(folder: Path) -> list[Topic]:
    """The nine topics; raise FileNotFoundError naming the first file that is missing.

    A comment is a threat, an insult or an attack on an identity where two annotators
    marked it, and none where nobody did; what one alone marked is left out.
    """
    sms, intents = _sms(folder), _banking(folder)
    topics = [
        _topic("SMS spam", "sms", ((text, kind == "spam") for kind, text in sms)),
        _topic(
            "loss and fraud at a bank",
            "banking",
            ((text, intent in _LOSS) for text, intent in intents),
        ),
        _topic(
            "sexism",
            "edos",
            (
                (row["text"], row["label_sexist"] == "sexist")
                for row in _table(folder / "edos_labelled_aggregated.csv")
            ),
        ),
    ]
    asked = _clinc(folder)
    for domain in _DOMAINS:
        name = f"an assistant's domain: {domain.replace('_', ' ')}"
        labeled = ((text, of == domain) for text, of in asked)
        topics.append(_topic(name, "clinc", labeled))
    comments, marks, _ = _civil(folder)
    for name, kind in _SPANS.items():
        labeled = (
            (text, marks[comment][kind] >= 2)
            for comment, text in comments.items()
            if marks[comment][kind] != 1
        )
        topics.append(_topic(f"{name} in comments", "civil", labeled))
    return topics


def ordinary_texts(folder: Path, source: str, topic: Topic) -> list[str]:
    """A source's texts that have nothing to do with the topic, each once."""
    if source == "sms":
        texts: Iterable[str] = (text for _, text in _sms(folder))
    elif source == "surge":
        rows = _table(folder / "surge_toxicity_en.csv")
        texts = (row["text"] for row in rows if row["is_toxic"] != "Toxic")
    elif source == "civil":
        comments, _, harmless = _civil(folder)
        texts = (text for comment, text in comments.items() if comment in harmless)
    elif source == "clinc":
        left_out = _OF_BANKS if topic.source == "banking" else ()
        texts = (text for text, domain in _clinc(folder) if domain not in left_out)
    elif source == "banking":
        texts = (text for text, _ in _banking(folder))
    elif source == "edos":
        rows = _table(folder / "edos_labelled_aggregated.csv")
        texts = (row["text"] for row in rows if row["label_sexist"] == "not sexist")
    else:
        rows = _table(folder / "davidson_labeled_data.csv")
        texts = (row["tweet"] for row in rows if row["class"] == "2")
    return [*{_letters(text): text for text in texts if _letters(text)}.values()]


def _topic(name: str, source: str, labeled: Iterable[tuple[str, bool]]) -> Topic:
    kept: dict[str, tuple[str, bool]] = {}
    for text, label in labeled:
        # Near-duplicates could stand on both sides of the test.
        if letters := _letters(text):
            kept.setdefault(letters, (text, label))
    return Topic(
        name,
        source,
        tuple(text for text, label in kept.values() if label),
        tuple(text for text, label in kept.values() if not label),
    )


def _letters(text: str) -> str:
    return _NOT_LETTERS.sub("", text.lower())


def _table(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        yield from csv.DictReader(opened)


@cache
def _sms(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "sms_spam.tsv").read_text(encoding="utf-8").splitlines()
    parted = (line.partition("\t") for line in lines)
    return [(kind, text) for kind, _, text in parted]


@cache
def _banking(folder: Path) -> list[tuple[str, str]]:
    return [
        (row["text"], row["category"])
        for part in ("train", "test")
        for row in _table(folder / f"banking77_{part}.csv")
    ]


@cache
def _clinc(folder: Path) -> list[tuple[str, str]]:
    domains = json.loads((folder / "clinc150_domains.json").read_text("utf-8"))
    of = {intent: name for name, intents in domains.items() for intent in intents}
    parts = json.loads((folder / "clinc150_data_full.json").read_text("utf-8"))
    return [
        (text, of.get(intent, ""))
        for part in sorted(parts)
        for text, intent in parts[part]
    ]


@cache
def _civil(
    folder: Path,
) -> tuple[dict[str, str], dict[str, Counter[str]], frozenset[str]]:
    """Comments; how many annotators marked each kind in each; those that are harmless.

    Harmless is what most annotators called not toxic.
    """
    comments = {
        row["comment_id"]: row["comment_text"]
        for row in _table(folder / "toxic_spans_comments.csv")
    }
    kinds: dict[str, set[str]] = defaultdict(set)
    for row in _table(folder / "toxic_spans_spans.csv"):
        kinds[row["annotation"]].add(row["type"])
    marks: dict[str, Counter[str]] = defaultdict(Counter)
    read, clean = Counter[str](), Counter[str]()
    for row in _table(folder / "toxic_spans_annotations.csv"):
        read[row["comment_id"]] += 1
        clean[row["comment_id"]] += row["not toxic"] == "True"
        marks[row["comment_id"]].update(kinds[row["annotation"]])
    harmless = frozenset(name for name in read if clean[name] * 2 > read[name])
    return comments, marks, harmless
