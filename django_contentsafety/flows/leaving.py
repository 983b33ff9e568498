"""A category goes, and first what its providers keep of its versions.

    delete_category → each version is deleted, as ``removing`` has it → the row goes

Until then the category stays with the samples it has, and nothing new is made of it.
"""

from __future__ import annotations

from django.utils.translation import gettext as _

from ..exceptions import RefusedError
from ..models import Category, CategoryVersion, DbNow
from . import removing
from .activating import checked_reason
from .entries import atomic, leaving_words, log_category
from .naming import known_to_services, policies_naming

Status = CategoryVersion.Status


def delete_category(category: Category, *, by: str, reason: str = "") -> list[int]:
    """Delete ``category`` with its samples and versions; the policies' log stays.

    Return the versions that a provider has to delete first, by their keys: whoever
    calls this wakes ``removing.advance`` for them, and the category goes with the last.
    Empty = it is gone. Raise RefusedError, and change nothing, where a rule names it or
    a version is being built.
    """
    reason = checked_reason(reason)
    with atomic():
        removing.hold(category.pk)
        category.refresh_from_db(fields=["leaving_since", "active_version"])
        if obstacles := what_hinders(category):
            raise RefusedError(" ".join(obstacles))
        # The category protects its active version, which goes with it.
        category.active_version = None
        category.save(update_fields=["active_version"])
        if not known_to_services(category):
            removing.drop(category, by=by)
            return []
        category.leaving_since = DbNow()
        category.save(update_fields=["leaving_since"])
        log_category("category_delete_asked", category, by, reason=reason)
        going = category.versions.exclude(status__in=(Status.DELETING, Status.DELETED))
        for version in going.defer(*CategoryVersion.BLOBS):
            removing.begin(version)
        leaving = category.versions.filter(status=Status.DELETING)
        return list(leaving.values_list("pk", flat=True))


def what_hinders(category: Category) -> list[str]:
    """Why it can't be deleted now and what to do, in words; empty = it can."""
    if category.is_leaving:
        return [leaving_words(category)]
    words = [
        _("The rule of the policy %(policy)s for %(category)s: delete it first.")
        % {"policy": policy, "category": category.name}
        for policy in policies_naming(category.name)
    ]
    building = category.versions.filter(status=Status.BUILDING)
    words += [
        _("%(category)s v%(number)d is being built: cancel that first.")
        % {"category": category.name, "number": number}
        for number in building.values_list("number", flat=True)
    ]
    return words
