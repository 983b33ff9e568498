"""A category as one file: the button that makes it, the page that takes it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path
from django.utils.translation import gettext as _, gettext_lazy

from ..engine.containers import MAX_BYTES
from ..engine.errors import EngineError
from ..exceptions import RefusedError
from ..flows import bundling
from ..forms import BundleForm, suggestions
from ..models import Category, CategoryVersion
from .base import Response, Tool, actor
from .carrying import carried, carry
from .display import badge, show_controls

if TYPE_CHECKING:
    from .base import SafetyAdmin

SALT = "contentsafety.bundle"
#: What the import page answers to.
METHODS = ["GET", "HEAD", "POST"]

EXPORT = Tool(
    name="export",
    label=gettext_lazy("Export category"),
    # The file holds the text of every sample.
    permission="contentsafety.view_sample_text",
)


def download(request: HttpRequest, category: Category) -> HttpResponse:
    """The category's bundle, as a file to keep."""
    data = bundling.export_bundle(category, by=actor(request))
    response = HttpResponse(data, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{category.name}.zip"'
    return response


def import_path(admin: SafetyAdmin[Category]) -> URLPattern:
    def view(request: HttpRequest) -> Any:
        if not _may_import(admin, request):
            raise PermissionDenied
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        return _answer(admin, request)

    return path(
        "import/", admin.admin_site.admin_view(view), name=admin.url_name("import")
    )


def import_link(admin: SafetyAdmin[Category], request: HttpRequest) -> dict[str, Any]:
    """What the list shows the button by; nothing without the permissions."""
    if not _may_import(admin, request):
        return {}
    return {"import_url": admin.url("import")}


def _may_import(admin: SafetyAdmin[Category], request: HttpRequest) -> bool:
    """It makes a category, and samples in it."""
    return admin.has_add_permission(request) and request.user.has_perm(
        "contentsafety.add_sample"
    )


def _answer(admin: SafetyAdmin[Category], request: HttpRequest) -> Response:
    """The form; with a file its preview; with a preview's token the import."""
    if request.method != "POST":
        return _page(admin, request, BundleForm())
    try:
        if "token" in request.POST:
            return _confirm(admin, request)
        form = BundleForm(request.POST, request.FILES)
        if not form.is_valid():
            return _page(admin, request, form)
        chosen = form.chosen()
        data = form.read()
        plan = bundling.preview_bundle(data, **chosen)
    except (EngineError, RefusedError) as refusal:
        admin.say(request, str(refusal), error=True)
        return HttpResponseRedirect(admin.url("import"))
    return _page(
        admin,
        request,
        form,
        plan=plan,
        # Whatever the bundle calls itself; a good name has none of these.
        name=show_controls(plan.name),
        definition=show_controls(plan.definition),
        provider=show_controls(plan.provider),
        problems=[show_controls(problem) for problem in plan.problems],
        versions=[_shown(version) for version in plan.versions],
        **({} if plan.problems else carry(data, salt=SALT, **chosen)),
    )


def _confirm(admin: SafetyAdmin[Category], request: HttpRequest) -> Response:
    facts, data = carried(request, salt=SALT, limit=MAX_BYTES + 1)
    category = bundling.import_bundle(
        data if isinstance(data, bytes) else b"".join(data),
        by=actor(request),
        name=facts["name"],
        provider=facts["provider"],
    )
    admin.say(
        request,
        _("%s is imported. No version of it is active yet.") % category,
    )
    if admin.has_view_permission(request):
        return admin.back_to(category)
    return HttpResponseRedirect(admin.url("import"))


def _shown(planned: bundling.PlannedVersion) -> dict[str, Any]:
    facts = planned.bundled.facts
    return {
        "number": facts.number,
        "status": badge(planned.status, CategoryVersion.Status(planned.status).label),
        "positives": facts.positives,
        "negatives": facts.negatives,
        "why": planned.why,
    }


def _page(
    admin: SafetyAdmin[Category], request: HttpRequest, form: BundleForm, **context: Any
) -> Response:
    return admin.render(
        request,
        "import.html",
        None,
        title=_("Import a category"),
        form=form,
        suggestions=suggestions(),
        **context,
    )
