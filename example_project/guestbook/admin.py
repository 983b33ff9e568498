"""The entries in the admin; their decisions stand under Content safety."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from .models import Entry

if TYPE_CHECKING:
    EntryAdminBase = admin.ModelAdmin[Entry]
else:
    EntryAdminBase = admin.ModelAdmin


@admin.register(Entry)
class EntryAdmin(EntryAdminBase):
    list_display = ["name", "excerpt", "author", "created_at"]
    list_select_related = ["author"]
    search_fields = ["name", "message"]
    date_hierarchy = "created_at"
    raw_id_fields = ["author"]

    @admin.display(description=_("message"))
    def excerpt(self, entry: Entry) -> str:
        return Truncator(entry.message).chars(80)
