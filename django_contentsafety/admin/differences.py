"""What a version changed: a page about it and another one of its category."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..flows.differences import LISTED, Kind, compare, compare_words
from ..models import CategoryVersion
from .base import Response
from .display import badge, excerpt, show_controls

if TYPE_CHECKING:
    from .base import SafetyAdmin

#: Versions that the page offers to compare with.
OFFERED = 50
#: Characters of a sample in a list.
EXCERPT = 200

DELETED = CategoryVersion.Status.DELETED
TAGS = {"gone": "del", "new": "ins"}


def answer(
    admin: SafetyAdmin[CategoryVersion], request: HttpRequest, version: CategoryVersion
) -> Response:
    """Compare with ``?with=``, a number, or with the version before this one."""
    # With a deleted version its samples are gone.
    others = version.category.versions.exclude(pk=version.pk).exclude(status=DELETED)
    # What was built elsewhere has none here.
    others = others.exclude(is_adopted=True)
    others = others.order_by("-number")
    others = others.defer(*CategoryVersion.BLOBS, "card")
    offered = list(others[:OFFERED])
    given = request.GET.get("with", "")
    problem = ""
    before = None
    if version.is_adopted:
        problem = _("%s was built elsewhere: its samples were never here.") % version
    elif version.status == DELETED:
        problem = _("The samples of %s were deleted with it.") % version
    elif given:
        number = int(given) if given.isdecimal() and len(given) < 9 else -1
        before = others.filter(number=number).first()
        if before is None:
            problem = _("There is no such version of this category.")
    else:
        before = others.filter(number__lt=version.number).first()
    context: dict[str, Any] = {}
    if before is not None:
        may_read = admin.has_text_permission(request)
        found = compare(before, version)
        context = {
            "found": found,
            "kinds": [
                _kind("added", _("Added"), found.added, may_read),
                _kind("removed", _("Removed"), found.removed, may_read),
                _kind("relabeled", _("Relabeled"), found.relabeled, may_read),
            ],
            "may_read": may_read,
            "definition": _definition(before, version),
        }
    return admin.render(
        request,
        "differences.html",
        version,
        title=_("What changed"),
        subtitle=str(version),
        version=version,
        before=before,
        others=offered,
        problem=problem,
        listed=LISTED,
        **context,
    )


def _kind(name: str, label: str, kind: Kind, may_read: bool) -> dict[str, Any]:
    rows = [
        {
            "text": excerpt(change.text, EXCERPT),
            "label": badge("positive", _("positive"))
            if change.is_positive
            else badge("negative", _("negative")),
        }
        for change in (kind.listed if may_read else ())
    ]
    return {
        "name": name,
        "label": label,
        "count": kind.count,
        "rows": rows,
        "more": kind.count - len(rows),
    }


def _definition(before: CategoryVersion, after: CategoryVersion) -> SafeString | None:
    """Both definitions in one, word by word; None where they are the same."""
    if before.definition == after.definition:
        return None
    pieces = compare_words(before.definition, after.definition)
    return format_html_join(
        "",
        "{}",
        (
            (
                format_html(f"<{TAGS[mark]}>{{}}</{TAGS[mark]}>", show_controls(text))
                if mark in TAGS
                else show_controls(text),
            )
            for mark, text in pieces
        ),
    )
