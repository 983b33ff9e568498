"""What the storm left: read from the database, the journals and the provider's notes.

Nothing the storm itself counted is believed, save the kills.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db.models import Count, F

from django_contentsafety.documents import Document, object_key
from django_contentsafety.models import (
    Action,
    LogEntry,
    ModerationResult,
    ModerationState,
)
from django_contentsafety.querysets import visible
from django_contentsafety.registry import registry

from .journal import Told
from .models import Delivery, NaivePost
from .texts import REMOTE, deserves, id_of, severity

#: Why a text may end before a person instead of a decision; a bug is none of them.
FOR_A_PERSON = ("content", "protocol", "poison", "max_age")
#: Objects read at once.
CHUNK = 1000
#: At most so many examples of each thing found.
EXAMPLES = 5


@dataclass(slots=True)
class Verdict:
    """What was found, with how many were looked at."""

    texts: int = 0
    lost: int = 0
    stale: int = 0
    double_actions: int = 0
    actions: int = 0
    rolled_back_moderated: int = 0
    orphans: int = 0
    #: Rows over which a worker died: what the kills hit.
    leases_lost: int = 0
    for_a_person: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def note(self, kind: str, what: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        if getattr(self, kind) <= EXAMPLES:
            self.examples.append(f"{kind}: {what}")


def judge(told: Told, asked: Iterable[Path]) -> Verdict:
    """Look at every object and every row."""
    verdict = Verdict()
    for moderation in registry:
        _texts(verdict, moderation)
    _doubles(verdict, told)
    _rolled_back(verdict, told, asked)
    return verdict


def _texts(verdict: Verdict, moderation: Any) -> None:
    model = moderation.model
    shown = set(visible(model.objects.all()).values_list("pk", flat=True))
    keys = model.objects.values_list("pk", flat=True)
    seen = {object_key(model, pk, "default") for pk in keys.iterator(CHUNK)}
    states = ModerationState.objects.filter(model=moderation.label)
    rows = {(row.object_key, row.policy): row for row in states.iterator(CHUNK)}
    for row in rows.values():
        verdict.leases_lost += row.crashes > 0
        if row.object_key not in seen:
            verdict.note("orphans", f"{row} {row.state}")
    for obj in model.objects.order_by("pk").iterator(CHUNK):
        key = object_key(model, obj.pk, "default")
        wanted = set()
        for slug, fields in moderation.documents.items():
            verdict.texts += 1
            found = rows.get((key, slug))
            document = Document.of(
                fields, {name: getattr(obj, name) for name in fields}
            )
            where = f"{moderation.label} {key} ({slug})"
            wanted.add(_text(verdict, found, document, slug, where))
        # Shown exactly where every policy allows the text that the row holds now.
        if None not in wanted and (obj.pk in shown) != (wanted == {"allow"}):
            verdict.note("stale", f"{moderation.label} {key} shown: {obj.pk in shown}")


def _text(
    verdict: Verdict,
    row: ModerationState | None,
    document: Document,
    slug: str,
    where: str,
) -> str | None:
    """The decision in force; "" = a person is to decide; None = something is wrong."""
    if row is None or not document.matches(row.content_hash, row.hash_key):
        verdict.note("lost", f"{where}: {'another text' if row else 'no row'}")
        return None
    if row.state == "exhausted" and row.exhausted_reason in FOR_A_PERSON:
        verdict.for_a_person[row.exhausted_reason] += 1
        return ""
    if row.state != "done" or not row.is_decided:
        verdict.note("lost", f"{where}: {row.state} {row.last_error_code}")
        return None
    deserved = deserves(slug, document.text)
    if row.decision != deserved:
        verdict.note("stale", f"{where}: {row.decision}, not {deserved}")
        return None
    verdict.decisions[row.decision] += 1
    return deserved


def _doubles(verdict: Verdict, told: Told) -> None:
    round_of = ("state_id", "generation", "round")
    results = ModerationResult.objects.filter(is_stale=False)
    kinds = {
        "results": (results, (*round_of, "source")),
        "actions": (Action.objects.all(), ("state_id", "generation", "kind")),
        # What the host did itself, by the signal.
        "deliveries": (Delivery.objects.all(), round_of),
        "decisions logged": (
            LogEntry.objects.filter(event="decided"),
            (),
        ),
    }
    for kind, (rows, names) in kinds.items():
        verdict.actions += rows.count()
        if kind == "decisions logged":
            counted = Counter(_logged(rows, told.deleted_keys))
            twice = sum(n - 1 for n in counted.values())
        else:
            groups = rows.values(*names).annotate(n=Count("pk")).filter(n__gt=1)
            twice = sum(group["n"] - 1 for group in groups.order_by())
        verdict.double_actions += twice
        if twice:
            verdict.examples.append(f"double_actions: {twice} {kind}")


def _logged(rows: Any, deleted: set[tuple[str, str]]) -> Iterator[tuple[Any, ...]]:
    for entry in rows.iterator(CHUNK):
        # An object that was deleted and came back counts its texts anew.
        if (entry.model, entry.object_key) not in deleted:
            numbers = (entry.details["generation"], entry.details["round"])
            yield (entry.model, entry.object_key, entry.subject, *numbers)


def _rolled_back(verdict: Verdict, told: Told, asked: Iterable[Path]) -> None:
    for path in asked:
        if not path.exists():
            continue
        for line in path.read_text().splitlines():
            alias, name = line.split()[:2]
            if name in told.rolled_back:
                verdict.note("rolled_back_moderated", f"{alias} was asked about {name}")
    for row in ModerationState.objects.iterator(CHUNK):
        if (row.model, row.object_key) in told.rolled_back_keys:
            verdict.note("rolled_back_moderated", f"{row} has a state")
    results = ModerationResult.objects.exclude(text=None)
    for text in results.values_list("text", flat=True).iterator(CHUNK):
        if id_of(text) in told.rolled_back:
            verdict.note("rolled_back_moderated", f"a result keeps {id_of(text)}")


def recovery() -> list[float]:
    """Seconds from the commit of each text to its decision, by the database's clock."""
    rows = ModerationState.objects.filter(
        state="done", decided_generation=F("generation")
    )
    times = rows.values_list("first_pending_at", "decided_at")
    return sorted((end - start).total_seconds() for start, end in times)


def judge_naive() -> dict[str, int]:
    """Of the control: texts nobody judged, and decisions about another text."""
    lost = stale = count = 0
    for post in NaivePost.objects.iterator(CHUNK):
        count += 1
        worst = severity(post.body, REMOTE)
        deserved = "block" if worst >= 6 else "review" if worst >= 4 else "allow"
        lost += post.decision == ""
        stale += post.decision not in ("", deserved)
    return {"texts": count, "lost": lost, "stale": stale}
