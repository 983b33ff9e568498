"""Read the public data: each file's labels turned into ours, known or unknown.

Licences and attributions stand in NOTICE. A label that a data set doesn't give is left
out rather than guessed, except Sexual, which word lists hint at (`lexicon`).
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from .lexicon import Lexicon
from .rows import CATEGORIES, NONE, Row, label, place, without_repeats
from .texts import own_rows

__all__ = ["load"]

OPEN = frozenset(CATEGORIES)


def load(folder: Path) -> list[Row]:
    """All rows, each text once, in an order that depends on the texts alone.

    Raise FileNotFoundError naming the first file that the folder lacks.
    """
    lexicon = Lexicon(folder, (text for _, text in _comments(folder)))
    rows = [*own_rows(), *lexicon.rows()]
    for source in SOURCES:
        rows += [_hinted(row, lexicon) for row in source(folder)]
    return sorted(without_repeats(rows), key=lambda row: place(row.text))


def _hinted(row: Row, lexicon: Lexicon) -> Row:
    """The row with what the word lists say of Sexual, where its source doesn't."""
    if row.source not in ("civil", "edos", "davidson"):
        return row
    labels = dict(row.labels)
    terms = lexicon.sexual_terms(row.text)
    benign = row.benign and not terms and not lexicon.attacks_in(row.text)
    if terms >= 2:
        labels["Sexual"] = True
    elif terms == 0:
        labels["Sexual"] = False
    if not labels.get("Hate") and lexicon.attacks_in(row.text):
        # A slur in a text that was judged for something else.
        labels.pop("Hate", None)
    return replace(row, labels=labels, benign=benign)


def _table(file: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        yield from csv.DictReader(opened, delimiter=delimiter)


def _comments(folder: Path) -> list[tuple[str, str]]:
    return [
        (row["comment_id"], row["comment_text"])
        for row in _table(folder / "toxic_spans_comments.csv")
    ]


def civil(folder: Path) -> Iterator[Row]:
    """Readers' comments on news, chosen for being toxic: so a third of them is benign.

    Two annotators of three make a label. One is enough for attacks on a group and for
    threats, which are rare, but such a row counts half.
    """
    kinds: dict[str, set[str]] = defaultdict(set)
    for row in _table(folder / "toxic_spans_spans.csv"):
        kinds[row["annotation"]].add(row["type"])
    marks: dict[str, Counter[str]] = defaultdict(Counter)
    for row in _table(folder / "toxic_spans_annotations.csv"):
        of = marks[row["comment_id"]]
        of["all"] += 1
        of["harmless"] += row["not toxic"] == "True"
        for kind in kinds.get(row["annotation"], ()):
            of[kind] += 1
    for comment, text in _comments(folder):
        of = marks[comment]
        labels = {"SelfHarm": False}
        if of["harmless"] >= 2:
            yield Row(text, "civil", NONE, benign=True)
            continue
        doubtful = False
        for name, kind in (("Hate", "Identity based Attack"), ("Violence", "Threat")):
            labels[name] = of[kind] > 0
            doubtful = doubtful or of[kind] == 1
        if of["Insult"] != 1:
            labels["Harassment"] = of["Insult"] >= 2
        yield Row(text, "civil", labels, weight=0.5 if doubtful else 1.0)


def edos(folder: Path) -> Iterator[Row]:
    """Posts of two networks, labeled for sexism and its kinds."""
    for row in _table(folder / "edos_labelled_aggregated.csv"):
        kind = row["label_vector"][:3]
        text = row["text"].replace("[USER]", "").replace("[URL]", "")
        if row["label_sexist"] != "sexist":
            labels = label(unknown=("Sexual", "Violence", "Harassment"))
            yield Row(text, "edos", labels, weight=0.7, benign=True)
            continue
        positive = ["Hate"]
        if kind in ("1.1", "1.2"):
            positive.append("Violence")
        if kind in ("1.1", "2.2", "3.1"):
            positive.append("Harassment")
        labels = label(*positive, unknown=("Sexual", "Harassment"))
        yield Row(text, "edos", labels, weight=0.5 if kind[:1] == "3" else 1.0)


def davidson(folder: Path) -> Iterator[Row]:
    """Tweets: hateful, offensive, or neither."""
    for row in _table(folder / "davidson_labeled_data.csv"):
        text = row["tweet"]
        if row["class"] == "0":
            yield Row(text, "davidson", label("Hate", "Harassment", unknown=OPEN))
        elif row["class"] == "1":
            # What is merely offensive here is sexist elsewhere: Hate stays open.
            yield Row(text, "davidson", {"SelfHarm": False}, weight=0.5)
        else:
            yield Row(text, "davidson", NONE, benign=True)


def toxigen(folder: Path) -> Iterator[Row]:
    """Short statements about groups of people, hateful or neutral."""
    for row in _table(folder / "toxigen_demonstrations.tsv", "\t"):
        hateful = row["label"] == "hate"
        labels = label("Hate", unknown=("Harassment", "Violence")) if hateful else NONE
        yield Row(row["text"], "toxigen", labels)


#: Rows taken of each kind of template, which differ by a word or two.
TEMPLATES = 300


def templates(folder: Path) -> Iterator[Row]:
    """Made-up sentences that name an identity, harmless or abusive."""
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in _table(folder / "identity_templates_en.csv"):
        kinds[row["template"], row["toxicity"]].append(row["phrase"])
    for (template, toxicity), phrases in sorted(kinds.items()):
        count = TEMPLATES * (4 if toxicity == "nontoxic" else 1)
        for phrase in sorted(phrases, key=place)[:count]:
            if toxicity == "nontoxic":
                yield Row(phrase, "templates", NONE)
            elif template in ("name_adj", "you_are_adj", "you_occupation"):
                yield Row(phrase, "templates", label("Harassment", unknown=("Hate",)))
            else:
                yield Row(phrase, "templates", label("Hate", unknown=OPEN), weight=0.5)


#: Hazards of AILuminate: what they are, and what they may be besides.
HAZARDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "hte": (("Hate",), ("Harassment", "Violence")),
    "vcr": (("Violence",), ("Hate",)),
    "iwp": ((), ("Violence",)),
    "ssh": (("SelfHarm",), ()),
    "sxc_prn": (("Sexual",), ()),
    "cse": (("Sexual",), ("Violence",)),
    "src": ((), ("Sexual", "Violence")),
    "dfm": ((), ("Harassment", "Hate")),
    "ncr": ((), ("Violence",)),
}


def ailuminate(folder: Path) -> Iterator[Row]:
    """Prompts by hazard."""
    for row in _table(folder / "ailuminate_demo_en.csv"):
        positive, unknown = HAZARDS.get(row["hazard"], ((), ()))
        yield Row(row["prompt_text"], "ailuminate", label(*positive, unknown=unknown))


#: Topics of CatQA that belong to a category; the others belong to none.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "Racial or ethnic hate": ("Hate",),
    "Religious intolerance": ("Hate",),
    "Gender-based violence": ("Hate", "Violence"),
    "Cyberbullying": ("Harassment",),
    "Terrorism and extremism": ("Violence",),
    "Assault and battery": ("Violence",),
    "Weapon making": ("Violence",),
    "Physical abuse": ("Violence",),
    "Self-harm": ("SelfHarm",),
    "Content Sexual exploitation": ("Sexual",),
    "Pornography": ("Sexual",),
    "Erotic text": ("Sexual",),
    "Nude imagery": ("Sexual",),
    "Sexually explicit dialogue": ("Sexual",),
    "Adult-themed humor": ("Sexual",),
}


def catqa(folder: Path) -> Iterator[Row]:
    """Harmful questions by topic."""
    data = json.loads((folder / "catqa_english.json").read_text(encoding="utf-8"))
    for topics in data.values():
        for topic, questions in topics.items():
            labels = label(*QUESTIONS.get(topic, ()), unknown=("Harassment",))
            for question in questions:
                yield Row(question, "catqa", labels)


def surge(folder: Path) -> Iterator[Row]:
    """Posts of several networks, toxic or not."""
    for row in _table(folder / "surge_toxicity_en.csv"):
        if row["is_toxic"] == "Toxic":
            yield Row(row["text"], "surge", {"Harassment": True, "SelfHarm": False})
        else:
            yield Row(row["text"], "surge", NONE, benign=True)


def clinc(folder: Path) -> Iterator[Row]:
    """What people ask an assistant."""
    data = json.loads((folder / "clinc150_data_full.json").read_text(encoding="utf-8"))
    for part in sorted(data):
        for text, _ in data[part]:
            yield Row(text, "clinc", NONE, benign=True)


def banking(folder: Path) -> Iterator[Row]:
    """What people ask a bank."""
    for part in ("train", "test"):
        for row in _table(folder / f"banking77_{part}.csv"):
            yield Row(row["text"], "banking", NONE, benign=True)


def sms(folder: Path) -> Iterator[Row]:
    """Short messages; advertisements among them may be sexual."""
    text = (folder / "sms_spam.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        kind, _, message = line.partition("\t")
        if kind == "ham":
            yield Row(message, "sms", NONE, benign=True)
        else:
            yield Row(message, "sms", label(unknown=("Sexual",)))


SOURCES: tuple[Callable[[Path], Iterator[Row]], ...] = (
    civil,
    edos,
    davidson,
    toxigen,
    templates,
    ailuminate,
    catqa,
    surge,
    clinc,
    banking,
    sms,
)
