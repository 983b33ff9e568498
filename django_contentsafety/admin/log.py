"""The log: who did what when. Read-only, as the table is."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _, gettext_lazy

from ..models import LogEntry
from .base import ReadOnlyAdmin
from .display import actor_names, object_label, show_controls, show_json
from .search import ObjectSearch


class LogChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: Any = self.result_list
        names = actor_names(entry.actor_key for entry in rows)
        for entry in rows:
            entry.actor_name = names.get(entry.actor_key) or _("the system")


@admin.register(LogEntry)
class LogAdmin(ObjectSearch, ReadOnlyAdmin[LogEntry]):
    list_display = (
        "created_at",
        "event",
        "shows_actor",
        "subject",
        "shows_object",
        "from_value",
        "to_value",
        "reason",
    )
    list_display_links = ("created_at", "event")
    search_fields = ("subject", "model", "object_key", "event")
    searched = ("subject", "object_key", "event")
    search_help_text = gettext_lazy(
        "An event, a policy's or a category's name, an object's key, or its model "
        "(app.model): written out."
    )
    fields = (
        "created_at",
        "event",
        "shows_actor",
        "subject",
        "shows_object",
        "from_value",
        "to_value",
        "reason",
        "shows_details",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LogChangeList

    @admin.display(description=gettext_lazy("By"))
    def shows_actor(self, entry: Any) -> SafeString:
        if not hasattr(entry, "actor_name"):
            entry.actor_name = actor_names([entry.actor_key]).get(
                entry.actor_key, _("the system")
            )
        return show_controls(entry.actor_name)

    @admin.display(description=gettext_lazy("Object"), empty_value="–")
    def shows_object(self, entry: LogEntry) -> SafeString | None:
        if not entry.model:
            return None
        return show_controls(object_label(entry.model, entry.object_key))

    @admin.display(description=gettext_lazy("Details"))
    def shows_details(self, entry: LogEntry) -> SafeString:
        return show_json(entry.details)
