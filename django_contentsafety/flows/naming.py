"""Who goes by a category's name, so that it can't change under them."""

from __future__ import annotations

from ..exceptions import InvalidProvider
from ..models import Category, CategoryVersion, PolicyRule
from ..providers import Provider, providers

Status = CategoryVersion.Status


def policies_naming(category: str) -> list[str]:
    """The slugs of the policies that have a rule for ``category``."""
    rules = PolicyRule.objects.filter(category=category).order_by("policy__slug")
    return list(dict.fromkeys(rules.values_list("policy__slug", flat=True)))


def known_to_services(category: Category) -> list[CategoryVersion]:
    """The versions that a service keeps under the category's name, or may.

    Asked by another name the service would find nothing: a build would begin anew, and
    a deletion end with the service's copy in place.
    """
    versions = category.versions.exclude(status=Status.DELETED).exclude(
        # What was adopted is there, whether or not anybody has built it.
        status=Status.FROZEN,
        is_adopted=False,
    )
    found = versions.only("number", "provider", "status")
    return [version for version in found if _is_remote(version.provider)]


def _is_remote(alias: str) -> bool:
    try:
        provider: Provider = providers[alias]
    except InvalidProvider:
        return True  # Nobody can say where it is.
    return not provider.in_process
