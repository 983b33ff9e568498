"""What a provider keeps already, and which of it becomes rows here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _, ngettext

from ..exceptions import RefusedError
from ..flows import adopting
from ..models import Category, CategoryVersion
from .base import Response, actor
from .display import badge, excerpt, show_controls

if TYPE_CHECKING:
    from .base import SafetyAdmin

#: Rows of the page: a provider that keeps more is adopted from by the command.
MOST = 500
METHODS = ["GET", "HEAD", "POST"]


def adopt_path(admin: SafetyAdmin[Category]) -> URLPattern:
    def view(request: HttpRequest) -> Any:
        if not _may_adopt(admin, request):
            raise PermissionDenied
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        try:
            return _answer(admin, request)
        except RefusedError as refusal:
            admin.say(request, str(show_controls(str(refusal), 1000)), error=True)
            return HttpResponseRedirect(admin.url("adopt"))

    return path(
        "adopt/", admin.admin_site.admin_view(view), name=admin.url_name("adopt")
    )


def adopt_link(admin: SafetyAdmin[Category], request: HttpRequest) -> dict[str, Any]:
    """What the list shows the button by; nothing without the permissions."""
    return {"adopt_url": admin.url("adopt")} if _may_adopt(admin, request) else {}


def adopt_url(admin: SafetyAdmin[Any], alias: str) -> str:
    """The page's address, with what this provider keeps."""
    page = admin.url("adopt", opts=Category._meta)
    return f"{page}?{urlencode({'provider': alias})}"


def may_adopt(request: HttpRequest) -> bool:
    """It makes categories and versions, as building does."""
    return request.user.has_perms(
        ["contentsafety.add_category", "contentsafety.build_category"]
    )


def _may_adopt(admin: SafetyAdmin[Category], request: HttpRequest) -> bool:
    return admin.has_add_permission(request) and may_adopt(request)


def _answer(admin: SafetyAdmin[Category], request: HttpRequest) -> Response:
    if request.method == "POST":
        return _adopt(admin, request)
    aliases = adopting.listers()
    alias = request.GET.get("provider", "")
    if alias and alias not in aliases:
        raise RefusedError(_("This provider can't say what it keeps."))
    # Nothing of it is stored: it is asked anew when something is adopted.
    found = adopting.survey(alias) if alias else []
    rows = [_row(admin, request, one) for one in found[:MOST]]
    return admin.render(
        request,
        "adopt.html",
        None,
        title=_("Import from provider"),
        aliases=aliases,
        alias=alias,
        rows=rows,
        unlisted=len(found) - len(rows),
        has_adoptable=any(one.is_adoptable for one in found),
    )


def _adopt(admin: SafetyAdmin[Category], request: HttpRequest) -> Response:
    alias = request.POST.get("provider", "")
    if alias not in adopting.listers():
        raise RefusedError(_("Choose a provider first."))
    chosen = _chosen(request.POST.getlist("version"))
    if not chosen:
        raise RefusedError(_("Choose at least one version."))
    made = adopting.adopt(alias, chosen, by=actor(request))
    admin.say(
        request,
        ngettext(
            "%(count)d version is adopted. None of it is active yet.",
            "%(count)d versions are adopted. None of them is active yet.",
            len(made),
        )
        % {"count": len(made)},
    )
    page = "changelist" if admin.has_view_permission(request) else "adopt"
    return HttpResponseRedirect(admin.url(page))


def _chosen(values: list[str]) -> list[adopting.Key]:
    """What the page's boxes say: a name and a version each."""
    chosen = []
    for value in values:
        try:
            name, number = json.loads(value)
        except (ValueError, TypeError):
            name = number = None
        if not isinstance(name, str) or not isinstance(number, str):
            raise RefusedError(_("The page was changed: choose again."))
        chosen.append((name, number))
    return chosen


def _row(
    admin: SafetyAdmin[Category], request: HttpRequest, found: adopting.Found
) -> dict[str, Any]:
    remote, version = found.remote, found.version
    return {
        "value": json.dumps(found.key),
        # Whatever the service calls it; a good name has none of these.
        "name": show_controls(remote.name, 64),
        "number": show_controls(remote.provider_version, 64),
        "definition": excerpt(remote.definition, 160),
        "status": badge(remote.status, _label(remote.status)),
        "says": show_controls(remote.raw_status, 100),
        "created": show_controls(remote.created, 40),
        "here": str(version) if version else "",
        "url": _version_url(admin, request, version),
        "why": show_controls(found.why, 300),
        "is_adoptable": found.is_adoptable,
    }


def _version_url(
    admin: SafetyAdmin[Category], request: HttpRequest, version: CategoryVersion | None
) -> str:
    versions = admin.admin_site._registry.get(CategoryVersion)
    if version is None or versions is None:
        return ""
    if not versions.has_view_permission(request):
        return ""
    return admin.url("change", version, CategoryVersion._meta)


def _label(status: str) -> str:
    labels = dict(CategoryVersion.Status.choices)
    if status == CategoryVersion.Status.FROZEN:
        return _("not built")
    return str(labels.get(status, status))
