"""Samples into a category: a file or lines, a preview that stores nothing, the import.

What was previewed travels in the page, signed, so that what is confirmed is what was
seen and nothing is kept meanwhile. A file too large for that is chosen once more.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from ..exceptions import RefusedError
from ..flows import build
from ..flows.previewing import PROBLEMS, Preview, preview_samples
from ..forms import MAX_UPLOAD, UploadForm
from ..models import Category
from .base import Response, actor
from .display import badge, excerpt, show_controls

if TYPE_CHECKING:
    from .base import SafetyAdmin

#: Characters of a file's name.
NAME = 100
SALT = "contentsafety.upload"
#: Seconds a preview can be confirmed: a working day.
MAX_AGE = 12 * 3600
#: What the signed content may take of a form, which Django bounds.
SHARE = 0.8

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a person gave: samples in some form, under a name."""

    name: str
    data: bytes
    source: str
    #: The label of plain lines.
    is_positive: bool | None

    def sign(self, category: Category, *, whole: bool) -> str:
        facts = {
            "category": category.pk,
            "name": self.name,
            "source": self.source,
            "is_positive": self.is_positive,
            "sha256": sha256(self.data).hexdigest(),
        }
        if whole:
            facts["data"] = base64.b64encode(self.data).decode()
        return signing.dumps(facts, salt=SALT, compress=True)


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
    given = Given(
        name=name[-NAME:],
        data=data,
        source=source,
        is_positive=form.cleaned_data["label"],
    )
    preview = preview_samples(category, data, is_positive=given.is_positive)
    return _page(
        admin,
        request,
        category,
        UploadForm(initial={"pasted": form.cleaned_data["pasted"]}),
        name=show_controls(given.name),
        preview=preview,
        rows=[_shown(row) for row in preview.rows],
        totals=[
            (badge(_style(kind), KINDS[kind]), preview.counts[kind])
            for kind in KINDS
            if preview.counts.get(kind)
        ],
        **_token(given, category),
    )


def _confirm(
    admin: SafetyAdmin[Category], request: HttpRequest, category: Category
) -> Response:
    given = _read_token(request, category)
    try:
        done = build.import_samples(
            category,
            given.data,
            filename=given.name,
            by=actor(request),
            source=given.source,
            is_positive=given.is_positive,
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


def _read_token(request: HttpRequest, category: Category) -> Given:
    try:
        facts = signing.loads(request.POST["token"], salt=SALT, max_age=MAX_AGE)
    except signing.BadSignature:
        facts = {}
    if facts.get("category") != category.pk:
        raise RefusedError(
            _("Nothing was stored: this preview is no longer valid. Upload again.")
        )
    if "data" in facts:
        data = base64.b64decode(facts["data"])
    else:
        upload: Any = request.FILES.get("file")
        data = upload.read(MAX_UPLOAD + 1) if upload else b""
        if sha256(data).hexdigest() != facts["sha256"]:
            raise RefusedError(
                _("Nothing was stored: this is not the file of the preview.")
            )
    return Given(
        name=facts["name"],
        data=data,
        source=facts["source"],
        is_positive=facts["is_positive"],
    )


def _token(given: Given, category: Category) -> dict[str, Any]:
    bound: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    token = given.sign(category, whole=True)
    if bound is None or len(token) <= bound * SHARE:
        return {"token": token, "again": False}
    return {"token": given.sign(category, whole=False), "again": True}


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
