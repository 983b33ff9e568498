"""All that is known of one moderated object: its text, the answers, the history."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest

from ..flows.completing import texts_of
from ..models import LogEntry, ModerationResult, ModerationState, Review
from .display import actor_names, badge, highlight, show_controls
from .scores import score_rows, withheld

#: Rows of each kind on the page, the newest ones.
SHOWN = 50


def case_context(
    site: AdminSite,
    request: HttpRequest,
    state: ModerationState,
    text_permission: str,
) -> dict[str, Any]:
    """The context of the page; texts only for those with ``text_permission``."""
    using = state._state.db or "default"
    may_read = request.user.has_perm(text_permission)
    mine = {"model": state.model, "object_key": state.object_key}
    results = list(
        ModerationResult.objects.using(using)
        .filter(**mine, policy=state.policy)
        .order_by("-pk")[:SHOWN]
    )
    reviews = list(
        Review.objects.using(using)
        .filter(**mine, policy=state.policy)
        .order_by("-pk")[:SHOWN]
    )
    log = list(
        LogEntry.objects.using(using)
        .filter(**mine, subject=state.policy)
        .order_by("-pk")[:SHOWN]
    )
    names = actor_names(
        [
            *(review.reviewer_key for review in reviews),
            *(entry.actor_key for entry in log),
            state.author_key,
        ]
    )
    return {
        "state": state,
        "author": names.get(state.author_key, ""),
        "may_read": may_read,
        "text_permission": text_permission,
        "text": _text(state, results, using) if may_read else None,
        "results": [_result(result, state, may_read=may_read) for result in results],
        "reviews": [
            {
                "review": review,
                "badge": badge(review.decision, review.get_decision_display()),
                "by": names.get(review.reviewer_key, ""),
                "note": show_controls(review.note) if may_read else None,
            }
            for review in reviews
        ],
        "log": [
            {"entry": entry, "by": names.get(entry.actor_key, "")} for entry in log
        ],
    }


def _text(
    state: ModerationState, results: list[ModerationResult], using: str
) -> dict[str, Any]:
    """The object's text as it is now, field by field, with what was found in it."""
    document = texts_of([state], using).get(state.pk)
    if document is None:
        return {"is_gone": True}
    is_current = document.matches(state.content_hash, state.hash_key)
    # The newest pass over this very text.
    current = [
        result
        for result in results
        if result.generation == state.generation and not result.is_stale
    ]
    newest = max((result.round for result in current), default=0)
    spans = [
        span
        for result in current
        if is_current and result.round == newest
        for span in [*result.spans, *(hit for hit in result.hits if "start" in hit)]
    ]
    return {
        "is_gone": False,
        "is_current": is_current,
        "fields": [
            {
                "name": name,
                "text": highlight(
                    text, [span for span in spans if span.get("field") == name]
                ),
                "is_empty": not text.strip(),
            }
            for name, text in document.parts
        ],
    }


def _result(
    result: ModerationResult, state: ModerationState, *, may_read: bool
) -> dict[str, Any]:
    is_old = result.generation != state.generation or result.is_stale
    text = None
    if may_read and is_old:
        text = withheld() if result.text is None else show_controls(result.text)
    return {
        "result": result,
        "rows": score_rows(result),
        "is_old": is_old,
        "text": text,
    }
