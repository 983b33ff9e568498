"""How far the card of a remote version is, or why there is none."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from ..models import CardJob, CategoryVersion
from .display import show_controls

Status = CategoryVersion.Status


def describe(version: CategoryVersion, job: CardJob | None) -> dict[str, Any]:
    """The words in the place of a card, or beside it; empty where it says all."""
    if version.is_adopted:
        return {
            "words": _(
                "It was built elsewhere: its samples are not here, and so it has no "
                "card. Measure it on labeled samples of your own: "
                "contentsafety_category evaluate --samples."
            )
        }
    if version.withheld_why:
        return {
            "words": _("No samples were withheld to measure it on: %(why)s.")
            % {"why": version.get_withheld_why_display()}
        }
    if not version.withheld_count:
        return {}
    if job is None:
        if version.card or version.status == Status.DELETED:
            return {}
        return {
            "words": _(
                "%(count)d samples are withheld from the build, and analyzed after it."
            )
            % {"count": version.withheld_count}
        }
    if job.finished_at is not None and not job.goes_on:
        return {}
    return {
        "words": _("Card: %(done)d of %(total)d withheld samples analyzed.")
        % {"done": job.done, "total": job.total},
        "done": job.done,
        "total": job.total,
        "goes_on": job.goes_on,
        "trouble": show_controls(job.error_message, 1000),
    }
