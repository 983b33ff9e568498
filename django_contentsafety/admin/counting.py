"""Lists of a long table: counted as far as anybody turns the pages."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

#: Rows that are counted and paged through; search and filters lead to the others.
MOST = 10_000


class Many(int):
    """A number that says it is only the least there are."""

    def __str__(self) -> str:
        return _("more than %d") % int(self)


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Stops counting: to count the rows of a table a database reads all of it."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        # Their order means nothing to a count, and may cost a sort.
        found: int = rows.order_by()[: MOST + 1].count()
        return found if found <= MOST else Many(MOST)
