"""Try it: a text, what each version says of it, what each policy would decide."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from ..decisions import Decision
from ..flows.trying import (
    MAX_CHARS,
    PolicyTrial,
    VersionTrial,
    remote_providers,
    try_text,
)
from ..forms import TryForm
from ..models import Category
from .base import Response
from .display import badge, bar, highlight, show_controls

if TYPE_CHECKING:
    from .base import SafetyAdmin


def answer(
    admin: SafetyAdmin[Category], request: HttpRequest, category: Category
) -> Response:
    """The page; with a text what came of it. Nothing is stored, logged or kept."""
    form = TryForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["text"]
        trial = try_text(category, text, remote=form.cleaned_data["remote"])
        context = {
            "tried": True,
            "versions": [_version(shown, text) for shown in trial.versions],
            "policies": [_policy(shown) for shown in trial.policies],
        }
    remote = remote_providers(category)
    if not remote:
        del form.fields["remote"]
    return admin.render(
        request,
        "trying.html",
        category,
        title=_("Try it"),
        subtitle=category.name,
        form=form,
        remote=remote,
        longest=MAX_CHARS,
        **context,
    )


def _version(trial: VersionTrial, text: str) -> dict[str, Any]:
    score = trial.score
    value = score.score if score else None
    return {
        "number": trial.version.number,
        "is_active": trial.is_active,
        "problem": show_controls(trial.problem, 500),
        "score": "" if value is None else f"{value:.2f}",
        "bar": "" if value is None else bar(value, [trial.threshold]),
        "threshold": "" if trial.threshold is None else f"{trial.threshold:.2f}",
        "severity": score.severity if score else None,
        "detected": score.detected if score else None,
        "marked": highlight(text, [asdict(span) for span in trial.spans])
        if trial.spans
        else "",
    }


def _policy(trial: PolicyTrial) -> dict[str, Any]:
    return {
        "slug": trial.slug,
        "mode": badge(trial.mode),
        "decision": badge(str(trial.decision.value)) if trial.decision else "",
        "reasons": _reasons(trial.decision) if trial.decision else [],
        "problem": show_controls(trial.problem, 500),
    }


def _reasons(decision: Decision) -> list[str]:
    found = []
    for reason in decision.reasons:
        where = {"category": reason.category, "source": reason.source}
        if reason.kind == "blocklist":
            found.append(_("a term of the blocklist %(category)s") % where)
        elif reason.kind == "unanswered":
            found.append(_("%(source)s did not answer about %(category)s") % where)
        else:
            found.append(
                _("%(category)s by %(source)s: %(value)s, from %(threshold)s on")
                % {
                    **where,
                    "value": f"{reason.value:.3g}",
                    "threshold": f"{reason.threshold:g}",
                }
            )
    return [show_controls(words, 300) for words in found]
