"""Builds: a page that moves by itself, and the two things a person can do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from .. import tasks
from ..flows import build
from ..flows.standing import standing
from ..models import BuildJob, CategoryVersion
from .base import PageAdmin, Response, Tool, actor
from .display import actor_names, badge, show_controls
from .slots import slot_context
from .versions import BLOBS, BUILD

#: Milliseconds until the page asks again: soon where something trains here.
SOON, LATER = 1_000, 10_000

Status = BuildJob.Status


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
            fits=lambda job: job.status == Status.NEEDS_ATTENTION,
        ),
    )

    class Media:
        js = ["contentsafety/build.js"]

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<path:object_id>/progress/",
            # Which also keeps it out of caches.
            self.admin_site.admin_view(self.progress),
            name=self.url_name("progress"),
        )
        return [own, *super().get_urls()]

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
            # Its buttons move along with what they are about.
            "tools": [],
            **self.moving(request, obj),
        }

    def moving(self, request: HttpRequest, job: BuildJob) -> dict[str, Any]:
        """What the fragment shows, which the page's script fetches again and again."""
        stands = standing(job)
        version = self.url("change", job.version, CategoryVersion._meta)
        next_poll = stands.next_poll or timedelta()
        return {
            **slot_context(self, request, job),
            "job": job,
            "stands": stands,
            "status": self.shows_status(job),
            "says": self._says(job),
            "elapsed": in_words(stands.elapsed),
            "remaining": "" if stands.remaining is None else in_words(stands.remaining),
            "next_poll": in_words(next_poll) if next_poll > timedelta() else "",
            "provider_says": show_controls(job.raw_status, 100),
            "trouble": show_controls(job.error_message, 1000),
            "moving_url": "" if self._rests(job) else self.url("progress", job),
            "moving_wait": SOON if self._is_near(job) else LATER,
            "job_tools": self.tool_buttons(request, job),
            "version_url": version,
            "by": actor_names([job.created_by]).get(job.created_by, ""),
        }

    def progress(self, request: HttpRequest, object_id: str) -> TemplateResponse:
        """The fragment alone."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        template = "admin/contentsafety/build_progress.html"
        return TemplateResponse(request, template, self.moving(request, job))

    def _says(self, job: BuildJob) -> str:
        """For a screen reader, which is told only when it changes: in quarters."""
        said = str(job.get_status_display())
        if job.status == Status.BUILDING and job.progress >= 25:
            said = _("%(status)s, %(percent)d %%") % {
                "status": said,
                "percent": job.progress // 25 * 25,
            }
        return _("%(version)s: %(said)s.") % {"version": job.version, "said": said}

    def _rests(self, job: BuildJob) -> bool:
        """Whether nothing moves until a person acts."""
        return job.is_final or job.status == Status.NEEDS_ATTENTION

    def _is_near(self, job: BuildJob) -> bool:
        return bool(job.lease_token) or job.status == Status.QUEUED

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


def in_words(duration: timedelta) -> str:
    """About how long: 40 seconds, 5 minutes, 3 hours, 2 days."""
    seconds = max(round(duration.total_seconds()), 0)
    for size, one, many in (
        (86_400, "%d day", "%d days"),
        (3_600, "%d hour", "%d hours"),
        (60, "%d minute", "%d minutes"),
    ):
        # From two on, so that an hour and a half is 90 minutes.
        if seconds >= 2 * size:
            count = round(seconds / size)
            return ngettext(one, many, count) % count
    return ngettext("%d second", "%d seconds", seconds) % seconds
