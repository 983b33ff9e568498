"""Blocklists with their terms."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import router, transaction
from django.db.models import Count
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from ..flows.policies import record_change
from ..models import Blocklist, BlocklistItem, Policy
from .base import RowsInline, SafetyAdmin, actor
from .display import show_controls


class ItemInline(RowsInline[BlocklistItem, Blocklist]):
    model = BlocklistItem
    extra = 1


@admin.register(Blocklist)
class BlocklistAdmin(SafetyAdmin[Blocklist]):
    list_display = ("shows_name", "shows_items", "shows_policies")
    search_fields = ("name",)
    inlines = (ItemInline,)

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super()
            .get_queryset(request)
            .annotate(item_count=Count("items"))
            .prefetch_related("policies")
        )

    @admin.display(description=gettext_lazy("Name"), ordering="name")
    def shows_name(self, blocklist: Blocklist) -> SafeString:
        return show_controls(blocklist.name)

    @admin.display(description=gettext_lazy("Items"), ordering="item_count")
    def shows_items(self, blocklist: Any) -> int:
        return int(blocklist.item_count)

    @admin.display(description=gettext_lazy("Policies"), empty_value="–")
    def shows_policies(self, blocklist: Any) -> str:
        return ", ".join(policy.slug for policy in blocklist.policies.all())

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        if any(formset.has_changed() for formset in formsets):
            self._record(request, form.instance)

    def delete_model(self, request: HttpRequest, obj: Blocklist) -> None:
        with transaction.atomic(router.db_for_write(self.model)):
            self._record(request, obj)
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for blocklist in queryset:
            self.delete_model(request, blocklist)

    def _record(self, request: HttpRequest, blocklist: Blocklist) -> None:
        for policy in Policy.objects.filter(blocklists=blocklist):
            record_change(
                policy,
                by=actor(request),
                changed=["items"],
                blocklist=blocklist.pk,
            )
