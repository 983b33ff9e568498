"""What has to hold after every single step, whatever came before."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django_contentsafety import visible
from django_contentsafety.documents import Document
from django_contentsafety.models import (
    Coverage,
    LogEntry,
    ModerationResult,
    ModerationState,
    Policy,
)
from django_contentsafety.models.claims import BULK
from tests.model.memory import KINDS, USING, Key, Memory, Parts, texts_of

Rows = dict[tuple[Key, str], ModerationState]


def hold(memory: Memory) -> None:
    """Assert all promises between the host's tables, ours, and the memory."""
    memory.look()
    rows: Rows = {
        ((row.model, row.object_key), row.policy): row
        for row in ModerationState.objects.using(USING).all()
    }
    for (one, _), row in rows.items():
        # Nothing of a save that was rolled back, and nothing of a deleted object.
        assert one in memory.host or one in memory.gone, "a row without an object"
        assert (row.state == "leased") == bool(row.lease_token), "a lease's token"
        assert row.state != "done" or row.is_decided, "a changed text is lost"
    found = {
        (one, slug): _hold_row(memory, rows.get((one, slug)), one, slug, parts)
        for one, values in memory.host.items()
        for slug, parts in texts_of(values, one[0]).items()
    }
    for one, values in memory.host.items():
        slugs = texts_of(values, one[0])
        if one in memory.unseen and all(found[one, slug] for slug in slugs):
            memory.unseen.discard(one)
    _hold_results(memory, rows)
    _hold_visibility(memory, rows)


def _text_of(memory: Memory, row: ModerationState, one: Key) -> Parts:
    """The text that the row's hash is of: one that the object has had."""
    for parts in memory.texts[one, row.policy]:
        if Document(parts).matches(row.content_hash, row.hash_key):
            return parts
    raise AssertionError("a row about a text that was never committed")


def _hold_row(
    memory: Memory, row: ModerationState | None, one: Key, slug: str, parts: Parts
) -> bool:
    """Hold one row to its object; return whether it is up to date."""
    unseen = one in memory.unseen
    if row is None:
        assert unseen, "an object without a row"
        return False
    text = _text_of(memory, row, one)
    draft = memory.host[one].get("is_draft", False)
    up_to_date = text == parts and (draft or row.state != "exempt")
    assert up_to_date or unseen, "a text, or the end of a draft, was not noticed"
    if row.is_decided:
        known = memory.said if row.decided_by == "person" else memory.judged
        assert row.decision in known[one, slug, text], "a decision on another text"
    if standing := memory.standing.get((one, slug)):
        assert row.is_decided, "a person's decision is no longer in force"
        assert (row.decided_by, row.decision) == ("person", standing), "overruled"
    return up_to_date


def _hold_results(memory: Memory, rows: Rows) -> None:
    """A verdict belongs to the text it was made for, and none is there twice."""
    by_id = {row.pk: (one, row) for (one, _), row in rows.items()}
    answered: dict[int, int] = defaultdict(int)
    once: set[tuple[Any, ...]] = set()
    results = ModerationResult.objects.using(USING).filter(is_stale=False)
    for result in results:
        place = (result.state_id, result.generation, result.round, result.source)
        assert place not in once, "two verdicts"
        once.add(place)
        if result.state_id not in by_id:
            continue
        one, row = by_id[result.state_id]
        if result.generation == row.generation and one in memory.host:
            answered[row.pk] += 1
            text = Document(_text_of(memory, row, one)).text
            assert result.text == text, "a verdict on another text"
    for one, row in by_id.values():
        if one in memory.host and row.is_decided and row.decided_by == "machine":
            assert answered[row.pk], "a decision without a verdict"
    logged: set[tuple[Any, ...]] = set()
    for entry in LogEntry.objects.using(USING).filter(event="decided"):
        # A row made anew begins at generation 1 again, so an object's life counts.
        passed = (entry.details["generation"], entry.details["round"])
        place = (entry.model, entry.object_key, entry.subject, *passed)
        if (entry.model, entry.object_key) not in memory.reborn:
            assert place not in logged, "decided twice"
            logged.add(place)


def _hold_visibility(memory: Memory, rows: Rows) -> None:
    policies = {policy.slug: policy for policy in Policy.objects.all()}
    covered = set(
        Coverage.objects.using(USING)
        .filter(completed_at__isnull=False)
        .values_list("model", "policy")
    )
    for kind in KINDS:
        label = kind._meta.label_lower
        if all(one[0] != label for one in memory.host):
            continue
        objects = visible(kind.objects.using(USING).all())
        shown = {str(pk) for pk in objects.values_list("pk", flat=True)}
        for one, values in memory.host.items():
            if one[0] != label:
                continue
            slugs = texts_of(values, label)
            expected = all(
                _shows(
                    rows.get((one, slug)), policies[slug], (label, slug) not in covered
                )
                for slug in slugs
            )
            assert (one[1] in shown) == expected, "shown against the policy"
            if one[1] in shown and one not in memory.unseen:
                for slug, parts in slugs.items():
                    _hold_shown(memory, rows[one, slug], policies[slug], parts)


def _shows(row: ModerationState | None, policy: Policy, unknown: bool) -> bool:
    """The policy's words, said once more and in Python."""
    if row is None:
        return unknown
    if row.state == "exempt":
        return True
    if row.decided_generation == row.generation:
        return row.decision == "allow"
    if unknown and _is_unknown(row):
        return True
    if row.state == "exhausted":
        return False
    previous = policy.on_pending == "show_previous" and row.decision == "allow"
    return policy.on_pending == "show" or previous


def _is_unknown(row: ModerationState) -> bool:
    return row.priority >= BULK and (row.generation, row.decided_generation) == (1, 0)


def _hold_shown(
    memory: Memory, row: ModerationState, policy: Policy, parts: Parts
) -> None:
    """Shown: this very text was allowed, or nobody asked that it be judged first."""
    one = (row.model, row.object_key)
    if memory.host[one].get("is_draft") or _is_unknown(row):
        return
    if not row.is_decided and policy.on_pending in ("show", "show_previous"):
        return
    place = (one, row.policy, parts)
    assert "allow" in memory.judged[place] | memory.said[place], "shown unjudged"
