"""Samples into a category: a file or lines, a preview that stores nothing, import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from ..exceptions import RefusedError
from ..flows import build
from ..flows.previewing import PROBLEMS, Preview, preview_samples
from ..forms import MAX_UPLOAD, UploadForm
from ..models import Category
from .base import Response, actor
from .carrying import carried, carry
from .display import badge, excerpt, show_controls

if TYPE_CHECKING:
    from .base import SafetyAdmin

#: Characters of a file's name.
NAME = 100
SALT = "contentsafety.upload"

KINDS = {
    "new": gettext_lazy("new"),
    "near_duplicate": gettext_lazy("near-duplicate"),
    "known": gettext_lazy("there already"),
    "duplicate": gettext_lazy("twice in the file"),
    "contradicts": gettext_lazy("contradicts"),
    "empty": gettext_lazy("empty"),
    "too_long": gettext_lazy("too long"),
    "unreadable": gettext_lazy("can't be read"),
}


def answer(
    admin: SafetyAdmin[Category], request: HttpRequest, category: Category
) -> Response:
    """The page; with a file its preview; with a preview's token the import."""
    if request.method != "POST":
        return _page(admin, request, category, UploadForm())
    if "token" in request.POST:
        return _confirm(admin, request, category)
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(admin, request, category, form)
    name, data, source = form.read()
    name, label = name[-NAME:], form.cleaned_data["label"]
    preview = preview_samples(category, data, is_positive=label)
    return _page(
        admin,
        request,
        category,
        UploadForm(initial={"pasted": form.cleaned_data["pasted"]}),
        name=show_controls(name),
        preview=preview,
        rows=[_shown(row) for row in preview.rows],
        totals=[
            (badge(_style(kind), KINDS[kind]), preview.counts[kind])
            for kind in KINDS
            if preview.counts.get(kind)
        ],
        **carry(
            data,
            salt=SALT,
            category=category.pk,
            name=name,
            source=source,
            is_positive=label,
        ),
    )


def _confirm(
    admin: SafetyAdmin[Category], request: HttpRequest, category: Category
) -> Response:
    facts, data = carried(
        request, salt=SALT, limit=MAX_UPLOAD + 1, category=category.pk
    )
    try:
        done = build.import_samples(
            category,
            data,
            filename=facts["name"],
            by=actor(request),
            source=facts["source"],
            is_positive=facts["is_positive"],
            skip="skip" in request.POST,
        )
    except build.SamplesRefused as error:
        # Somebody added samples meanwhile, or nobody said to leave problems out.
        first = error.errors[0]
        raise RefusedError(
            f"{error} {first} {_('Look at the preview again.')}"
        ) from None
    admin.say(request, _describe(done.added, done.known, done.skipped))
    return admin.back_to(category)


def _page(
    admin: SafetyAdmin[Category],
    request: HttpRequest,
    category: Category,
    form: UploadForm,
    **context: Any,
) -> Response:
    preview: Preview | None = context.get("preview")
    return admin.render(
        request,
        "upload.html",
        category,
        title=_("Upload samples"),
        subtitle=category.name,
        form=form,
        importable=preview is not None and preview.added > 0,
        **context,
    )


def _shown(row: Any) -> dict[str, Any]:
    label = {True: _("positive"), False: _("negative"), None: ""}[row.is_positive]
    return {
        "line": row.line,
        "badge": badge(_style(row.kind), KINDS[row.kind]),
        "label": label,
        "text": excerpt(row.text) if row.text else "",
        "message": row.message,
        "remedy": row.remedy,
    }


def _style(kind: str) -> str:
    if kind in PROBLEMS:
        return "failed"
    return {"new": "positive", "near_duplicate": "review"}.get(kind, "retired")


def _describe(added: int, known: int, skipped: int) -> str:
    words = [ngettext("%d sample was added.", "%d samples were added.", added) % added]
    if known:
        words.append(
            ngettext("%d was there already.", "%d were there already.", known) % known
        )
    if skipped:
        words.append(
            ngettext("%d line was left out.", "%d lines were left out.", skipped)
            % skipped
        )
    return " ".join(words)
