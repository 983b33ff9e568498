"""Builds: read-only, with the two things a person can do about one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _, gettext_lazy

from .. import tasks
from ..flows import build
from ..models import BuildJob, CategoryVersion
from .base import PageAdmin, Response, Tool, actor
from .display import actor_names, badge
from .versions import BLOBS, BUILD


@admin.register(BuildJob)
class BuildAdmin(PageAdmin[BuildJob]):
    list_display = (
        "shows_version",
        "shows_status",
        "phase",
        "progress",
        "error_code",
        "created_at",
        "finished_at",
    )
    list_filter = ("status",)
    search_fields = ("=version__category__name",)
    tools = (
        Tool(
            name="cancel",
            label=gettext_lazy("Cancel build"),
            permission=BUILD,
            fits=lambda job: not job.is_final,
        ),
        Tool(
            name="again",
            label=gettext_lazy("Try again"),
            permission=BUILD,
            fits=lambda job: job.status == BuildJob.Status.NEEDS_ATTENTION,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[BuildJob]:
        jobs = super().get_queryset(request).select_related("version__category")
        blobs = [f"version__{name}" for name in (*BLOBS, "card")]
        return jobs.defer(*blobs)

    @admin.display(description=gettext_lazy("Version"))
    def shows_version(self, job: BuildJob) -> str:
        return str(job.version)

    @admin.display(description=gettext_lazy("Status"), ordering="status")
    def shows_status(self, job: BuildJob) -> SafeString:
        return badge(job.status, job.get_status_display())

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {
            "title": _("Build of %s") % obj.version,
            "job": obj,
            "status": self.shows_status(obj),
            "version_url": self.url("change", obj.version, CategoryVersion._meta),
            "by": actor_names([obj.created_by]).get(obj.created_by, ""),
        }

    def cancel(self, request: HttpRequest, job: BuildJob) -> Response:
        build.cancel(job, by=actor(request))
        self.say(request, _("The build was canceled. The version can be built again."))
        return self.back_to(job)

    def again(self, request: HttpRequest, job: BuildJob) -> Response:
        build.try_again(job, by=actor(request))
        tasks.wake_build(job.pk)
        job.refresh_from_db()
        self.say(
            request,
            _("The build goes on: it is %s.") % job.get_status_display(),
        )
        return self.back_to(job)
