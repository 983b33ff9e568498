"""Samples, one by one. Their texts are for those with the permission to read them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from ..flows.labeling import delete_samples, log_sample, relabel
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
    actions = ("mark_positive", "mark_negative")
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
        log_sample(
            "sample_changed" if change else "sample_added", obj, by=actor(request)
        )

    def delete_model(self, request: HttpRequest, obj: Sample) -> None:
        delete_samples(Sample.objects.filter(pk=obj.pk), by=actor(request))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        delete_samples(queryset, by=actor(request))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[Any], list[Any]]:
        """Say how many go: a list of thousands says nothing."""
        count = len(objs) if isinstance(objs, list) else objs.count()
        lacking = set() if self.has_delete_permission(request) else {_("sample")}
        words = ngettext("%d sample", "%d samples", count) % count
        return [words], {str(Sample._meta.verbose_name_plural): count}, lacking, []

    def has_label_permission(self, request: HttpRequest) -> bool:
        """Who labels a text has to read it."""
        return self.has_change_permission(request) and self.has_text_permission(request)

    @admin.action(
        permissions=["label"], description=gettext_lazy("Mark selected as positive")
    )
    def mark_positive(self, request: HttpRequest, queryset: QuerySet[Sample]) -> None:
        self._relabel(request, queryset, is_positive=True)

    @admin.action(
        permissions=["label"], description=gettext_lazy("Mark selected as negative")
    )
    def mark_negative(self, request: HttpRequest, queryset: QuerySet[Sample]) -> None:
        self._relabel(request, queryset, is_positive=False)

    def _relabel(
        self, request: HttpRequest, queryset: QuerySet[Sample], *, is_positive: bool
    ) -> None:
        label = _("positive") if is_positive else _("negative")
        count = relabel(queryset, is_positive=is_positive, by=actor(request))
        words = ngettext(
            "%(count)d sample is %(label)s now. Frozen versions keep its label.",
            "%(count)d samples are %(label)s now. Frozen versions keep their labels.",
            count,
        )
        self.say(request, words % {"count": count, "label": label})

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
