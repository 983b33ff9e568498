"""Samples, one by one. Their texts are for those with the permission to read them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from ..forms import SampleForm
from ..models import Sample
from .base import SafetyAdmin, actor
from .display import badge, excerpt, masked


@admin.register(Sample)
class SampleAdmin(SafetyAdmin[Sample]):
    form = SampleForm
    list_filter = ("category", "is_positive", "source")
    list_select_related = ("category",)
    search_fields = ("text",)
    show_full_result_count = False
    list_per_page = 50
    text_fields = frozenset({"text", "text_hash", "source_key"})
    text_permission = "contentsafety.view_sample_text"

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        shown = "shows_text" if self.has_text_permission(request) else "hides_text"
        return [shown, "shows_label", "category", "source"]

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        # A search would tell what a text holds.
        return ("text",) if self.has_text_permission(request) else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        if obj is None or self.has_text_permission(request):
            return ["category", "text", "is_positive"]
        return ["category", "hides_text", "is_positive"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        readonly = [] if self.has_text_permission(request) else ["hides_text"]
        return [*readonly, "category"] if obj else readonly

    def has_change_permission(
        self, request: HttpRequest, obj: Sample | None = None
    ) -> bool:
        """Who changes a text has to read it."""
        return super().has_change_permission(request, obj) and (
            obj is None or self.has_text_permission(request)
        )

    def save_model(
        self, request: HttpRequest, obj: Sample, form: Any, change: bool
    ) -> None:
        if not change:
            obj.created_by = actor(request)
        super().save_model(request, obj, form, change)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sample]:
        return super().get_queryset(request).select_related("category")

    @admin.display(description=gettext_lazy("Text"))
    def shows_text(self, sample: Sample) -> SafeString:
        return excerpt(sample.text)

    @admin.display(description=gettext_lazy("Text"))
    def hides_text(self, sample: Sample) -> SafeString:
        return masked(self.text_permission)

    @admin.display(description=gettext_lazy("Label"), ordering="is_positive")
    def shows_label(self, sample: Sample) -> SafeString:
        if sample.is_positive:
            return badge("positive", str(gettext_lazy("positive")))
        return badge("negative", str(gettext_lazy("negative")))
