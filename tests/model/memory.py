"""What the model knows by itself: it never asks the tables that it judges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django_contentsafety.documents import Document, key_of
from django_contentsafety.registry import registry
from tests.testapp.models import Bulletin, Comment

USING = "default"
KINDS: tuple[type[Any], ...] = (Comment, Bulletin)
COLUMNS: dict[type[Any], list[str]] = {
    Comment: ["title", "body", "is_draft"],
    Bulletin: ["title", "body"],
}

#: (model label, object key), and a text as the document's parts.
Key = tuple[str, str]
Parts = tuple[tuple[str, str], ...]

#: What a text gets under each set of rules: severity 5 is held or let pass.
REGIMES: dict[str, int] = {"strict": 4, "lenient": 6}


def severity(text: str) -> int:
    return 7 if "bad" in text else 5 if "dubious" in text else 0


def oracle(text: str, regime: str) -> str:
    found = severity(text)
    if found >= 7:
        return "block"
    return "review" if found >= REGIMES[regime] else "allow"


def key(obj: Any) -> Key:
    return obj._meta.label_lower, key_of(type(obj), obj, USING)


def texts_of(values: Mapping[str, Any], label: str) -> dict[str, Parts]:
    """An object's document under each of its policies."""
    moderation = registry.by_label(label)
    assert moderation is not None
    return {
        slug: Document.of(fields, values).parts
        for slug, fields in moderation.documents.items()
    }


def read_host() -> dict[Key, dict[str, Any]]:
    """Every object of the host's tables with its watched values."""
    return {
        (kind._meta.label_lower, str(row["pk"])): row
        for kind in KINDS
        for row in kind.objects.using(USING).values("pk", *COLUMNS[kind])
    }


@dataclass
class Memory:
    """The history of one run, as the model saw it."""

    #: The host's tables as they were after the last step.
    host: dict[Key, dict[str, Any]] = field(default_factory=dict)
    #: All texts that a committed row has held, by policy.
    texts: dict[tuple[Key, str], set[Parts]] = field(
        default_factory=lambda: defaultdict(set)
    )
    #: Written by a way that no signal tells of, and not found yet.
    unseen: set[Key] = field(default_factory=set)
    #: Deleted by such a way.
    gone: set[Key] = field(default_factory=set)
    #: Deleted once, by whatever way: the key may come back with a new row.
    reborn: set[Key] = field(default_factory=set)
    #: What the machine, and what people, ever said of a text.
    judged: dict[tuple[Key, str, Parts], set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    said: dict[tuple[Key, str, Parts], set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    #: A person's decisions that nothing has ended.
    standing: dict[tuple[Key, str], str] = field(default_factory=dict)

    def places(self) -> dict[tuple[Key, str], Parts]:
        """Every text there is now, by object and policy."""
        return {
            (one, slug): parts
            for one, values in self.host.items()
            for slug, parts in texts_of(values, one[0]).items()
        }

    def look(self) -> None:
        """Take note of what a step did to the host's own tables."""
        now = read_host()
        for one in self.host.keys() | now.keys():
            before, after = self.host.get(one), now.get(one)
            old = texts_of(before, one[0]) if before else {}
            new = texts_of(after, one[0]) if after else {}
            for slug in old.keys() | new.keys():
                if old.get(slug) != new.get(slug):
                    self.standing.pop((one, slug), None)
                if slug in new:
                    self.texts[one, slug].add(new[slug])
            if after is not None:
                self.gone.discard(one)
            else:
                self.unseen.discard(one)
                self.reborn.add(one)
        self.host = now
