"""Results: what each source said. Read-only; a text only for those who may read it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _, gettext_lazy

from ..models import ModerationResult, ModerationState
from .base import ReadOnlyAdmin
from .display import masked, object_label, object_link, show_controls, show_json
from .scores import score_rows, show_values, withheld
from .search import ModelFilter, ObjectSearch, PolicyFilter, SourceFilter


class ObjectChangeList(ChangeList):
    """Links each row's object where this person may see it."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: Any = self.result_list
        site = self.model_admin.admin_site
        for row in rows:
            row.object_link = object_link(site, request, row.model, row.object_key)


@admin.register(ModerationResult)
class ResultAdmin(ObjectSearch, ReadOnlyAdmin[ModerationResult]):
    list_display = (
        "pk",
        "shows_object",
        "policy",
        "source",
        "shows_values",
        "shows_latency",
        "created_at",
    )
    list_filter = (SourceFilter, PolicyFilter, ModelFilter)
    ordering = ("-pk",)
    search_fields = ("object_key", "model", "request_id")
    searched = ("object_key", "policy", "request_id")
    search_help_text = gettext_lazy(
        "An object's key, its model (app.model), or a request id: written out."
    )
    text_fields = frozenset({"text", "spans", "hits", "raw"})
    text_permission = "contentsafety.view_moderated_text"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        allowed = self.has_text_permission(request)
        return [
            "model",
            "object_key",
            "policy",
            "source",
            "generation",
            "round",
            "shows_stale",
            "created_at",
            "shows_case",
            "shows_values",
            "shows_thresholds",
            "shows_versions",
            "policy_version",
            "shows_latency",
            "request_id",
            "shows_text" if allowed else "hides_text",
            *(["shows_spans", "shows_hits", "shows_raw"] if allowed else []),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ObjectChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModerationResult]:
        results = super().get_queryset(request)
        # A list shows none of these.
        return results.defer("text", "raw", "spans")

    @admin.display(description=gettext_lazy("Object"))
    def shows_object(self, result: Any) -> SafeString:
        link: SafeString = result.object_link
        return link

    @admin.display(description=gettext_lazy("Took"), ordering="latency_ms")
    def shows_latency(self, result: ModerationResult) -> str:
        return _("%d ms") % result.latency_ms

    @admin.display(description=gettext_lazy("Too late"))
    def shows_stale(self, result: ModerationResult) -> str:
        return _("yes: the text had changed") if result.is_stale else _("no")

    @admin.display(description=gettext_lazy("Moderation"))
    def shows_case(self, result: ModerationResult) -> SafeString:
        state = ModerationState(pk=result.state_id)
        url = self.url("change", state, ModerationState._meta)
        label = object_label(result.model, result.object_key)
        return format_html('<a href="{}">{}</a>', url, show_controls(label))

    @admin.display(description=gettext_lazy("Answer"))
    def shows_values(self, result: ModerationResult) -> SafeString:
        return show_values(score_rows(result))

    @admin.display(description=gettext_lazy("Rules at the time"))
    def shows_thresholds(self, result: ModerationResult) -> SafeString:
        return show_json(result.thresholds)

    @admin.display(description=gettext_lazy("Versions"))
    def shows_versions(self, result: ModerationResult) -> SafeString:
        return show_json(result.versions)

    @admin.display(description=gettext_lazy("Spans"))
    def shows_spans(self, result: ModerationResult) -> SafeString:
        return show_json(result.spans)

    @admin.display(description=gettext_lazy("Blocklist hits"))
    def shows_hits(self, result: ModerationResult) -> SafeString:
        return show_json(result.hits)

    @admin.display(description=gettext_lazy("Provider's answer"))
    def shows_raw(self, result: ModerationResult) -> SafeString:
        return show_json(result.raw)

    @admin.display(description=gettext_lazy("Text"))
    def shows_text(self, result: ModerationResult) -> SafeString | str:
        if result.text is None:
            return withheld()
        shown = show_controls(result.text)
        return format_html('<div class="cs-text cs-body">{}</div>', shown)

    @admin.display(description=gettext_lazy("Text"))
    def hides_text(self, result: ModerationResult) -> SafeString:
        return masked(self.text_permission)
