"""How Azure AI Content Safety builds, keeps and deletes versions of custom categories.

Each PUT takes one of the few places a category has, and nothing can be said with it to
make it happen once. So whatever changes something there is asked about first: an own
version is known by the URL of its samples, which no other version ever has, and a
build by the id of our operation or by the version's status.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext as _

from ...exceptions import (
    Conflict,
    Misconfigured,
    NotFound,
    ProviderError,
    SlotsFull,
    sealed,
)
from ...http import Client
from ..base import (
    BuildRequest,
    BuildState,
    RemoteVersion,
    RemovalRequest,
    RemovalState,
)
from .asking import advised
from .blob import SampleBlobs
from .common import Dialect, reason, word
from .limits import explain_samples, full
from .refusals import explained, is_refusal
from .removals import Removals
from .versions import Entry, Versions

#: Our words for what the catalog says.
_LISTED = {"created": "frozen", "unknown": ""}
#: A build may still go on, or has: nothing is to be started.
_BEGUN = ("building", "ready", "unknown")


class Categories:
    """Versions of custom categories at one resource, in one dialect.

    ``blobs`` is where their samples are written; without it nothing is built, but
    versions are listed and deleted.
    """

    def __init__(
        self, alias: str, client: Client, dialect: Dialect, blobs: SampleBlobs | None
    ) -> None:
        self.alias, self._dialect, self._blobs = alias, dialect, blobs
        self._versions = Versions(client, dialect)
        self._removals = Removals(alias, self._versions, blobs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    def lacks(self, positives: int, negatives: int, size: int) -> list[str]:
        """What is missing before the service builds from such samples, in words."""
        if self._blobs is None:
            return [self._no_container()]
        return explain_samples(positives, negatives, size)

    @sealed
    def register(self, request: BuildRequest) -> str:
        """The service's number of the version; it is made only where it isn't there."""
        if self._blobs is None:
            raise Misconfigured(self._no_container(), alias=self.alias)
        url = self._blobs.url_of(request)
        found = self._registered(request, url)
        if found is None:
            self._blobs.upload(request)
            found = self._register(request, url)
        return str(found.number)

    @sealed
    def submit(self, request: BuildRequest, provider_version: str) -> None:
        """Begin the build, unless it has begun."""
        if self._dialect.has_operations and self._versions.operation(
            request.operation_id
        ):
            return
        number = self._number(request, provider_version)
        if _has_begun(self._look(request.name, number), request):
            return
        try:
            self._versions.build(request.name, number, request.operation_id)
        except ProviderError as error:
            if not is_refusal(error):
                raise
            refused = error
        else:
            return
        # Somebody was quicker: a worker that is thought to be dead.
        if _has_begun(self._look(request.name, number), request):
            return
        # Assumed: by which status the service says that a category has one build at a
        # time. It is waited for, whatever it says.
        for other in self._versions.latest(request.name):
            if other.status == "building":
                raise Conflict(
                    f"Azure builds v{other.number} of {request.name}, and one version "
                    "at a time: this build waits for that one.",
                    alias=self.alias,
                )
        raise refused

    @sealed
    def poll(self, request: BuildRequest, provider_version: str) -> BuildState:
        """Where the build stands: by its operation, or by the version's status."""
        number = self._number(request, provider_version)
        if self._dialect.has_operations:
            # Forgotten sooner than the version, or of another try.
            operation = self._versions.operation(request.operation_id)
            if operation is not None:
                raw = word(operation, operation.data, "status")
                if raw not in ("Failed", "Canceled"):
                    return _state("succeeded" if raw == "Succeeded" else "running", raw)
                why = self._why(request, operation.data.get("error"))
                return _state("failed", raw, why or self._look_why(request, number))
        entry = self._look(request.name, number)
        if entry.status == "failed":
            why = self._why(request, entry.build_error)
            return _state("failed", entry.raw_status, why)
        if entry.status in ("deleting", "delete_failed") or self._is_stale(entry):
            raise NotFound(
                f"The provider {self.alias!r} knows of no build of "
                f"v{request.version} ({entry.raw_status}).",
                alias=self.alias,
            )
        status = "succeeded" if entry.status == "ready" else "running"
        return _state(status, entry.raw_status)

    def remove(self, request: RemovalRequest) -> None:
        self._removals.remove(request)

    def removal(self, request: RemovalRequest) -> RemovalState:
        return self._removals.removal(request)

    @sealed
    def catalog(self) -> list[RemoteVersion]:
        """Every version there is, ours and others'."""
        return [
            RemoteVersion(
                name=entry.name,
                provider_version=str(entry.number),
                definition=entry.definition,
                status=_LISTED.get(entry.status, entry.status),
                raw_status=entry.raw_status,
                created=entry.created,
            )
            for entry in self._versions.every()
        ]

    def _registered(self, request: BuildRequest, url: str) -> Entry | None:
        """What an earlier try has registered, whose answer was lost."""
        for entry in self._versions.latest(request.name):
            mine = (entry.url, entry.definition) == (url, request.definition)
            if mine and not entry.is_leaving and entry.status != "delete_failed":
                return entry
        return None

    def _register(self, request: BuildRequest, url: str) -> Entry:
        content = {
            "categoryName": request.name,
            "definition": request.definition,
            "sampleBlobUrl": url,
        }
        if self._dialect.has_delimiter:
            content["blobDelimiter"] = "/"
        try:
            return self._versions.register(request.name, content)
        except ProviderError as error:
            if not is_refusal(error):
                raise
            refused = error
        raise self._full(request.name) or advised(
            refused,
            "If it can't read the samples: its managed identity needs the role Storage "
            "Blob Data Contributor on the storage account.",
        )

    def _full(self, name: str) -> SlotsFull | None:
        try:
            return full(self.alias, name, self.catalog())
        except ProviderError:
            return None

    def _no_container(self) -> str:
        return (
            _(
                "The provider %s has no container for the samples: set its "
                "blob_container, or build with AzureIncidents."
            )
            % self.alias
        )

    def _number(self, request: BuildRequest, provider_version: str) -> int:
        if provider_version.isdecimal():
            return int(provider_version)
        raise NotFound(
            f"v{request.version} has no number at the provider {self.alias!r}.",
            alias=self.alias,
        )

    def _look(self, name: str, number: int) -> Entry:
        found = self._versions.find(name, number)
        if found is None:
            raise NotFound(
                f"The provider {self.alias!r} has no v{number} of {name}.",
                alias=self.alias,
            )
        return found

    def _is_stale(self, entry: Entry) -> bool:
        """Whether nobody has begun to build it, though it has been there for long."""
        if entry.status != "created":
            return False
        created = _time(entry.created)
        # Assumed: the status may come after the answer that the build was begun.
        return created is not None and datetime.now(UTC) - created > timedelta(hours=1)

    def _why(self, request: BuildRequest, error: object) -> str:
        return str(reason(error, samples=request.samples, name=request.name))

    def _look_why(self, request: BuildRequest, number: int) -> str:
        return self._why(request, self._look(request.name, number).build_error)


def _has_begun(entry: Entry, request: BuildRequest) -> bool:
    """Whether this build was begun: it goes on, or is at its end."""
    if entry.status != "failed":
        return entry.status in _BEGUN
    # This one, or an earlier one of the version: only the older dialect has to ask,
    # which has no operation of ours to look for.
    begun, asked = _time(entry.build_triggered), request.asked_at
    return begun is not None and asked is not None and begun >= asked


def _time(said: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(said)
    except ValueError:
        return None
    return time if time.tzinfo else None


def _state(status: str, raw_status: str, why: str = "") -> BuildState:
    error = ""
    if status == "failed":
        error = explained(_("The service could not build it"), why or raw_status)
    return BuildState(
        status=status,
        raw_status=raw_status,
        fraction=1.0 if status == "succeeded" else 0.0,
        error=error,
    )
