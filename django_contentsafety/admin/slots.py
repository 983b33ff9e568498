"""A build that found no room at its provider: what takes it, and what may go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from ..flows import adopting as adopting_flow
from ..models import BuildJob, CategoryVersion
from .adopting import adopt_url, may_adopt
from .display import badge, show_controls
from .versions import VersionAdmin, is_removable

if TYPE_CHECKING:
    from .base import SafetyAdmin


def slot_context(
    admin: SafetyAdmin[BuildJob], request: HttpRequest, job: BuildJob
) -> dict[str, Any]:
    """The versions in the provider's slots, ours with their pages; else nothing."""
    if job.error_code != "slots" or job.is_final:
        return {}
    held = _held(job.slots)
    if not held:
        return {}
    alias = job.version.provider
    ours = _ours(alias, held)
    versions = admin.admin_site._registry.get(CategoryVersion)
    pages = versions if isinstance(versions, VersionAdmin) else None
    rows = [
        _row(request, pages, key, ours.get(key))
        for key in held
        # One that was deleted since has left its slot.
        if key not in ours or ours[key].status != CategoryVersion.Status.DELETED
    ]
    can_adopt = may_adopt(request) and alias in adopting_flow.listers()
    has_foreign = any(row["is_foreign"] for row in rows)
    limit = job.slots.get("limit") if isinstance(job.slots, dict) else None
    return {
        "slots": {
            "rows": rows,
            "limit": limit if isinstance(limit, int) else None,
            "adopt_url": adopt_url(admin, alias) if can_adopt and has_foreign else "",
        }
    }


def _held(slots: Any) -> list[tuple[str, str]]:
    """As the row keeps it; what is no name and number is left out."""
    listed = slots.get("held") if isinstance(slots, dict) else None
    return [
        (one[0], one[1])
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, list)
        and len(one) == 2
        and all(isinstance(word, str) for word in one)
    ]


def _ours(
    alias: str, held: list[tuple[str, str]]
) -> dict[tuple[str, str], CategoryVersion]:
    """One query, however many there are; of two rows of one version the living one."""
    named = Q(category__name__in={name for name, _number in held}) & Q(
        provider_version__in={number for _name, number in held}
    )
    rows = CategoryVersion.objects.filter(named, provider=alias)
    rows = rows.select_related("category").defer(*CategoryVersion.BLOBS, "card")
    found: dict[tuple[str, str], CategoryVersion] = {}
    for version in rows.order_by("number"):
        found[version.category.name, version.provider_version] = version
    return found


def _row(
    request: HttpRequest,
    pages: VersionAdmin | None,
    key: tuple[str, str],
    version: CategoryVersion | None,
) -> dict[str, Any]:
    name, number = key
    row: dict[str, Any] = {
        "name": show_controls(name, 64),
        "number": show_controls(number, 64),
        "is_foreign": version is None,
        "status": "",
        "words": _("made elsewhere, and no version here"),
        "url": "",
        "delete_url": "",
    }
    if version is None:
        return row
    is_active = version.category.active_version_id == version.pk
    row["name"] = show_controls(str(version), 80)
    row["status"] = badge(version.status, version.get_status_display())
    row["words"] = _("active: activate another one first") if is_active else ""
    if pages is not None and pages.has_view_permission(request):
        row["url"] = pages.url("change", version)
        tool = next(tool for tool in pages.tools if tool.name == "remove")
        if is_removable(version) and pages.has_tool_permission(request, tool):
            row["delete_url"] = pages.url("remove", version)
    return row
