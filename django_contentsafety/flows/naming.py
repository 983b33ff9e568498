"""Who goes by a category's name, so that it can't change under them."""

from __future__ import annotations

from ..exceptions import InvalidProvider
from ..models import Category, CategoryVersion
from ..providers import Provider, providers

Status = CategoryVersion.Status


def known_to_a_service(category: Category) -> CategoryVersion | None:
    """A version that a service keeps under the category's name, or may; else None.

    Asked by another name the service would find nothing: a build would begin anew, and
    a deletion end with the service's copy in place.
    """
    versions = category.versions.exclude(status=Status.DELETED).exclude(
        # What was adopted is there, whether or not anybody has built it.
        status=Status.FROZEN,
        is_adopted=False,
    )
    for version in versions.only("number", "provider"):
        try:
            provider: Provider = providers[version.provider]
        except InvalidProvider:
            return version  # Nobody can say where it is.
        if not provider.in_process:
            return version
    return None
