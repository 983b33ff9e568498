"""How Azure AI Content Safety deletes versions of custom categories."""

from __future__ import annotations

from django.utils.translation import gettext as _

from ...exceptions import Conflict, NotFound, ProviderError, sealed
from ..base import RemovalRequest, RemovalState
from .blob import SampleBlobs
from .common import reason
from .refusals import explained, is_refusal
from .versions import Entry, Versions


class Removals:
    """Deletes ``versions``, and then their samples where ``blobs`` can be opened."""

    def __init__(
        self, alias: str, versions: Versions, blobs: SampleBlobs | None
    ) -> None:
        self.alias, self._versions, self._blobs = alias, versions, blobs

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    @sealed
    def remove(self, request: RemovalRequest) -> None:
        """Begin to delete the version, unless that has begun or it is gone.

        The category in one call where it goes, and nobody else has a version of it.
        """
        found = self._target(request)
        if found is None or found.is_leaving:
            return
        whole = bool(request.category_goes) and self._is_all(request)
        try:
            self._versions.delete(found.name, None if whole else found.number)
        except NotFound:
            return
        except ProviderError as error:
            if not is_refusal(error):
                raise
            refused = error
        else:
            return
        now = self._target(request)
        if now is None or now.is_leaving:
            return
        if "building" in (found.status, now.status):
            # Assumed, as in ``submit``; and it may have ended meanwhile.
            raise Conflict(
                f"Azure still builds v{found.number} of {found.name}: it is deleted "
                "when that has ended.",
                alias=self.alias,
            )
        raise refused

    @sealed
    def removal(self, request: RemovalRequest) -> RemovalState:
        """How far the deletion is; at its end our samples are deleted too."""
        found = self._target(request)
        if found is None:
            if self._blobs is not None:
                self._blobs.delete(request)
            return RemovalState(status="gone", raw_status="gone")
        if found.status == "delete_failed":
            why = str(reason(found.removal_error, name=request.name))
            return RemovalState(
                status="failed",
                raw_status=found.raw_status,
                error=explained(_("The service could not delete it"), why),
            )
        if not found.is_leaving and found.status != "building":
            # It was called missing when its deletion was to begin, and is there.
            self.remove(request)
        return RemovalState(status="running", raw_status=found.raw_status)

    def _target(self, request: RemovalRequest) -> Entry | None:
        """The version to delete; None where it is gone, or never was."""
        if request.provider_version.isdecimal():
            number = int(request.provider_version)
            found = self._versions.find(request.name, number)
            # Assumed: a number may be given again, and then it is another's.
            if found and self._blobs and self._blobs.is_anothers(found.url, request):
                return None
            return found
        # It was registered, perhaps, and the answer was lost.
        url = self._blobs.url_for(request) if self._blobs else ""
        for entry in self._versions.latest(request.name):
            if url and entry.url == url:
                return entry
        return None

    def _is_all(self, request: RemovalRequest) -> bool:
        """Whether all there is of the category goes, and can go now."""
        return all(
            str(entry.number) in request.category_goes and entry.status != "building"
            for entry in self._versions.of(request.name)
        )
