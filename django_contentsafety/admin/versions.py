"""Versions: what was frozen, how the build goes, what the errors are, activate."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _, gettext_lazy

from .. import tasks
from ..engine.stored_cards import read_metrics
from ..exceptions import RefusedError
from ..flows import build, measuring
from ..flows.exporting import export_frozen
from ..models import BuildJob, CardJob, Category, CategoryVersion
from . import activating, differences, measured, retiring
from .activating import roll_back_button
from .base import PageAdmin, Response, Tool, actor
from .card_samples import card_samples
from .cards import describe_card
from .comparing import compare_page
from .display import actor_names, badge, show_controls
from .exports import download

BUILD = "contentsafety.build_category"
ACTIVATE = "contentsafety.activate_version"
READ = "contentsafety.view_sample_text"
#: What has its place on the version's own page, not in a list.
PAGE_ONLY = (
    "diff",
    "compare",
    "export_samples",
    "retire",
    "reinstate",
    "remove",
    "remove_here",
    "measure",
)
#: Large columns that a page fetches only where it shows them.
BLOBS = CategoryVersion.BLOBS

Status = CategoryVersion.Status


def is_buildable(version: CategoryVersion) -> bool:
    return version.status in (Status.FROZEN, Status.FAILED) and not version.is_adopted


def is_ready(version: CategoryVersion) -> bool:
    return version.status == Status.READY


def is_idle(version: CategoryVersion) -> bool:
    """Ready, and not the one that answers already."""
    return is_ready(version) and version.category.active_version_id != version.pk


def is_removable(version: CategoryVersion) -> bool:
    """Neither on its way somewhere, nor gone, nor the one that answers."""
    return version.category.active_version_id != version.pk and version.status not in (
        Status.BUILDING,
        Status.DELETING,
        Status.DELETED,
    )


def refuse_without_samples(version: CategoryVersion) -> None:
    if version.is_adopted:
        raise RefusedError(
            _("%s was built elsewhere: its samples were never here.") % version
        )
    if version.status == Status.DELETED:
        raise RefusedError(_("The samples of %s were deleted with it.") % version)


@admin.register(CategoryVersion)
class VersionAdmin(PageAdmin[CategoryVersion]):
    list_display = (
        "__str__",
        "shows_status",
        "positive_count",
        "negative_count",
        "created_at",
    )
    list_filter = ("status",)
    list_select_related = ("category",)
    search_fields = ("=category__name",)
    ordering = ("-pk",)
    text_fields = frozenset(BLOBS)
    text_permission = READ
    tools = (
        Tool(
            name="build",
            label=gettext_lazy("Build"),
            permission=BUILD,
            fits=is_buildable,
        ),
        Tool(
            name="activate",
            label=gettext_lazy("Activate"),
            permission=ACTIVATE,
            post_only=False,
            fits=is_idle,
        ),
        Tool(
            name="diff",
            label=gettext_lazy("What changed"),
            permission="contentsafety.view_categoryversion",
            post_only=False,
            read_only=True,
            fits=lambda version: version.number > 1 and not version.is_adopted,
        ),
        Tool(
            name="compare",
            label=gettext_lazy("Compare"),
            permission="contentsafety.view_categoryversion",
            post_only=False,
            read_only=True,
            fits=lambda version: is_ready(version) and not version.is_adopted,
        ),
        Tool(
            name="export_samples",
            label=gettext_lazy("Export samples"),
            permission=READ,
            post_only=False,
            read_only=True,
            fits=lambda version: (
                version.status != Status.DELETED and not version.is_adopted
            ),
        ),
        Tool(
            name="measure",
            label=gettext_lazy("Analyze again"),
            permission=BUILD,
            fits=lambda version: (
                version.withheld_count > 0 and version.status in measuring.ANSWERING
            ),
        ),
        Tool(
            name="retire",
            label=gettext_lazy("Retire"),
            permission=ACTIVATE,
            post_only=False,
            fits=is_idle,
        ),
        Tool(
            name="reinstate",
            label=gettext_lazy("Reinstate"),
            permission=ACTIVATE,
            post_only=False,
            fits=lambda version: version.status == Status.RETIRED,
        ),
        Tool(
            name="remove",
            label=gettext_lazy("Delete"),
            permission="contentsafety.delete_categoryversion",
            post_only=False,
            fits=is_removable,
        ),
        Tool(
            name="remove_here",
            label=gettext_lazy("Delete here only"),
            permission="contentsafety.delete_categoryversion",
            post_only=False,
            fits=lambda version: version.status == Status.DELETE_FAILED,
        ),
    )

    class Media:
        css = {"all": ["contentsafety/card.css"]}
        js = [Script("contentsafety/card.js", defer=True)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CategoryVersion]:
        versions = super().get_queryset(request).select_related("category")
        return versions.defer(*BLOBS, "card")

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """Not in the index: one comes here from its category."""
        return {}

    @admin.display(description=gettext_lazy("Status"), ordering="status")
    def shows_status(self, version: CategoryVersion) -> SafeString:
        return badge(version.status, version.get_status_display())

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        version: CategoryVersion = obj
        jobs = list(version.builds.order_by("-pk")[:5])
        job = jobs[0] if jobs else None
        names = actor_names(
            [version.created_by, *(earlier.created_by for earlier in jobs)]
        )
        card_job = CardJob.objects.filter(version=version).first()
        card = describe_card(version.card)
        if card:
            card.update(card_samples(self.admin_site, request, version))
        return {
            "title": str(version),
            "version": version,
            "category": version.category,
            "category_url": self.url("change", version.category, Category._meta),
            "is_active": version.category.active_version_id == version.pk,
            "status": badge(version.status, version.get_status_display()),
            # A service's own words may stand in it.
            "removal_words": show_controls(version.removal_words, 1000),
            "job": job,
            "job_status": badge(job.status, job.get_status_display()) if job else "",
            "job_url": self.url("change", job, BuildJob._meta) if job else "",
            "by": names.get(version.created_by, ""),
            "built_by": names.get(job.created_by, "") if job else "",
            "card": card,
            "measured": measured.describe(version, card_job),
            "tools": [
                *(
                    button
                    for button in self.tool_buttons(request, version)
                    # While it goes on nobody has to ask for it.
                    if button["tool"].name != "measure"
                    or not (card_job and card_job.goes_on)
                ),
                *(
                    roll_back_button(self, request, version.category)
                    if version.category.active_version_id == version.pk
                    else []
                ),
            ],
        }

    def build(self, request: HttpRequest, version: CategoryVersion) -> Response:
        job = build.start(version, by=actor(request))
        tasks.wake_build(job.pk)
        job.refresh_from_db()
        if job.status == BuildJob.Status.SUCCEEDED:
            self.say(request, _("%s is built: look at its errors.") % version)
        elif job.status in (BuildJob.Status.FAILED, BuildJob.Status.NEEDS_ATTENTION):
            self.say(request, _("%s could not be built.") % version, error=True)
        else:
            self.say(request, _("The build of %s is queued.") % version)
            return self._watch(request, job) or self.back_to(version)
        return self.back_to(version)

    def _watch(self, request: HttpRequest, job: BuildJob) -> Response | None:
        """The page on which one sees it move; None where it isn't for this person."""
        builds = self.admin_site._registry.get(BuildJob)
        if builds is None or not builds.has_view_permission(request):
            return None
        return HttpResponseRedirect(self.url("change", job, BuildJob._meta))

    def activate(self, request: HttpRequest, version: CategoryVersion) -> Response:
        return activating.answer(self, request, version)

    def measure(self, request: HttpRequest, version: CategoryVersion) -> Response:
        job = measuring.again(version, by=actor(request))
        tasks.wake_card(job.pk)
        self.say(request, _("The withheld samples of %s are analyzed.") % version)
        return self.back_to(version)

    def diff(self, request: HttpRequest, version: CategoryVersion) -> Response:
        return differences.answer(self, request, version)

    def export_samples(
        self, request: HttpRequest, version: CategoryVersion
    ) -> Response:
        refuse_without_samples(version)
        return download(export_frozen(version), str(version).replace(" ", "-"))

    def retire(self, request: HttpRequest, version: CategoryVersion) -> Response:
        return retiring.retire(self, request, version)

    def reinstate(self, request: HttpRequest, version: CategoryVersion) -> Response:
        return retiring.reinstate(self, request, version)

    def remove(self, request: HttpRequest, version: CategoryVersion) -> Response:
        return retiring.delete(self, request, version)

    def remove_here(self, request: HttpRequest, version: CategoryVersion) -> Response:
        return retiring.delete_here(self, request, version)

    def compare(self, request: HttpRequest, version: CategoryVersion) -> Response:
        refuse_without_samples(version)
        context = compare_page(request, version, self.has_text_permission(request))
        return self.render(request, "compare.html", version, **context)


def version_rows(
    site: AdminSite, request: HttpRequest, category: Category
) -> list[dict[str, Any]]:
    """The category's newest versions, each with the buttons that fit it."""
    versions = site._registry.get(CategoryVersion)
    if not isinstance(versions, VersionAdmin):
        return []
    if not versions.has_view_permission(request):
        return []
    latest = BuildJob.objects.filter(version=OuterRef("pk")).order_by("-pk")
    rows = (
        category.versions.order_by("-number")
        .defer(*BLOBS, "card")
        .annotate(
            metrics=F("card__metrics"),
            job_status=Subquery(latest.values("status")[:1]),
            progress=Subquery(latest.values("progress")[:1]),
        )[:50]
    )
    return [
        {
            "version": version,
            "url": versions.url("change", version),
            "is_active": version.pk == category.active_version_id,
            "status": badge(version.status, version.get_status_display()),
            "is_building": version.status == Status.BUILDING,
            "is_gone": version.gone_at is not None,
            "progress": version.progress,
            "f1": _f1(version.metrics),
            "tools": [
                button
                for button in versions.tool_buttons(request, version)
                if button["tool"].name not in PAGE_ONLY
            ],
        }
        for version in rows
    ]


def _f1(metrics: Any) -> str:
    """Of a card's metrics, which a provider wrote."""
    found = read_metrics({"metrics": metrics}).metrics.get("f1")
    return "–" if found is None else f"{found.value:.2f}"
