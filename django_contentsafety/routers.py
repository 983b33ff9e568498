"""For sites with several databases."""

from __future__ import annotations

from typing import Any

from .conf import settings


class RowTables:
    """Let our tables be made in every database that holds moderated objects.

    Name it in ``DATABASE_ROUTERS`` before any router that answers False for apps it
    doesn't know (the first answer that isn't None wins), then run
    ``migrate --database=ALIAS``.
    """

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        if app_label != "contentsafety":
            return None
        # Where no list is given, every database may have them: empty tables are
        # harmless, and the registry isn't filled yet when routers are made.
        wanted = settings.DATABASES
        return True if wanted is None or db in ("default", *wanted) else None
