"""After a change of policy or version: which earlier texts it concerns (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _, ngettext

from .. import tasks
from ..flows import bulk_rounds, rounds, upkeep
from ..flows.estimates import Estimate, Outlook, look_ahead
from ..forms import EarlierForm
from ..models import BulkRound
from ..providers import CustomCategory
from .counting import MOST, Many

Kind = BulkRound.Kind

#: Seconds that a round may take of the request that asks for it, in each database; the
#: housekeeping goes on with the rest.
SECONDS = 2.0


class Choices:
    """What a page offers, what was chosen, and what comes of it."""

    def __init__(
        self,
        request: HttpRequest,
        policies: Collection[str],
        *,
        versions: Iterable[CustomCategory] = (),
    ) -> None:
        self.aliases = upkeep.databases()
        self.outlook: Outlook = look_ahead(policies, self.aliases, versions=versions)
        self.form = EarlierForm(
            request.POST if request.method == "POST" else None, offered=self.offered()
        )

    def offered(self) -> list[str]:
        """The kinds of rounds that make sense."""
        kinds = []
        if self.outlook.stored:
            kinds.append(Kind.REDECIDE.value)
        if self.outlook.estimates[-1].texts:
            kinds.append(Kind.REANALYZE.value)
        return kinds

    def context(self) -> dict[str, Any]:
        """For earlier.html."""
        return {
            "earlier": self.form,
            "offered": self.form.offered,
            "outlook": self.outlook,
            "chosen": self.form["texts"].value() or "new",
            "periods": [
                _describe(words, estimate)
                for (_value, words), estimate in zip(
                    self.form.fields["days"].choices,  # type: ignore[attr-defined]
                    self.outlook.estimates,
                    strict=True,
                )
            ],
            "asks_for_money": any(e.requests for e in self.outlook.estimates),
        }

    def carry_out(self, by: str) -> str:
        """Begin what was chosen; return what to say about it, empty for nothing.

        The form must be valid.
        """
        kind, days = self.form.cleaned_data["texts"], self.form.cleaned_data["days"]
        if kind == "new":
            return ""
        since = None if days is None else timedelta(days=days)
        asked = [
            (bulk_rounds.ask(slug, kind, using, by=by, since=since), using)
            for slug in self.outlook.policies
            for using in self.aliases
        ]
        for using in self.aliases:
            bulk_rounds.advance(using, seconds=SECONDS)
            if kind == Kind.REANALYZE:
                tasks.wake(using)
        for row, using in asked:
            row.refresh_from_db(using=using)
        return _report(kind, [row for row, _using in asked])


def running_rounds(policy: str) -> list[dict[str, Any]]:
    """The rounds of ``policy`` that go on, and what waits because of one."""
    found = []
    for using in upkeep.databases():
        waiting: int = rounds.waiting(policy, using)[: MOST + 1].count()
        shown = Many(MOST) if waiting > MOST else waiting
        running = bulk_rounds.running(using, policy)
        for row in running:
            share = row.position / row.last if row.last else 1.0
            found.append(
                {
                    "using": using,
                    "what": row.get_kind_display(),
                    "percent": round(min(share, 1) * 100),
                    "seen": row.seen,
                    "waiting": shown,
                    "since": row.created_at,
                }
            )
        if waiting and not running:
            found.append({"using": using, "what": _("re-analyze"), "waiting": shown})
    return found


def call_off(policy: str, by: str) -> str:
    """End the policy's rounds in all databases; return what to say."""
    kept = sum(bulk_rounds.stop(policy, using, by=by) for using in upkeep.databases())
    return ngettext(
        "The round was called off: %d text that waited keeps its decision.",
        "The round was called off: %d texts that waited keep their decisions.",
        kept,
    ) % (kept,)


def describe_seconds(seconds: float | None) -> str:
    """A time in words, roughly: nobody plans by more."""
    if seconds is None:
        return _("unknown")
    if seconds < 60:
        return _("less than a minute")
    if seconds < 90 * 60:
        return _("about %d min") % round(seconds / 60)
    if seconds < 36 * 3600:
        return _("about %d h") % round(seconds / 3600)
    return _("about %d days") % round(seconds / 86400)


def _describe(words: Any, estimate: Estimate) -> dict[str, Any]:
    requests: Mapping[str, int] = estimate.requests
    return {
        "words": words,
        "texts": Many(estimate.texts) if estimate.is_least else estimate.texts,
        "requests": ", ".join(
            f"{alias}: {Many(count) if estimate.is_least else count}"
            for alias, count in sorted(requests.items())
        )
        or "0",
        "time": describe_seconds(estimate.seconds) if estimate.texts else "–",
    }


def _report(kind: str, rows: list[BulkRound]) -> str:
    seen, changed = (sum(getattr(r, n) for r in rows) for n in ("seen", "changed"))
    unanswered = sum(row.unanswered for row in rows)
    words = []
    if kind == Kind.REDECIDE:
        words.append(
            ngettext(
                "%(seen)d earlier text was looked at, %(changed)d decided otherwise.",
                "%(seen)d earlier texts were looked at, %(changed)d decided otherwise.",
                seen,
            )
            % {"seen": seen, "changed": changed}
        )
        if unanswered:
            words.append(
                ngettext(
                    "%d lacks a stored answer and keeps its decision.",
                    "%d lack a stored answer and keep their decision.",
                    unanswered,
                )
                % unanswered
            )
    else:
        words.append(
            ngettext(
                "%d earlier text waits to be judged again.",
                "%d earlier texts wait to be judged again.",
                changed,
            )
            % changed
        )
    if any(row.ended_at is None for row in rows):
        words.append(
            _("The housekeeping goes on with the others: the policy's page shows it.")
        )
    return " ".join(words)
