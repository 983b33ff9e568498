"""How incidents are made, filled with samples, deployed and deleted.

Asked first, as categories are: an incident is known by its name, a sample by its text,
a deployment by the id of our operation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from urllib.parse import quote

from django.utils.translation import gettext as _

from ...exceptions import (
    BuildFailed,
    Conflict,
    ContentError,
    NotFound,
    ProtocolError,
    sealed,
)
from ...http import Answer, Client
from ..base import (
    BuildRequest,
    BuildState,
    CustomCategory,
    RemoteVersion,
    RemovalRequest,
    RemovalState,
)
from .answers import read_incidents
from .asking import Asking
from .common import reason, word
from .incident_samples import MAX_SAMPLES, IncidentSamples, folded

LIST = "/text/incidents"
#: The longest name, in any version of the API.
MAX_NAME = 64

_VERSIONED = re.compile(r"(?P<name>.+)-v[0-9]+")
#: The media type of a PATCH that makes or changes (the specification; the documents'
#: examples send plain JSON).
_MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


class Incidents:
    """The incidents of one resource."""

    def __init__(self, alias: str, client: Client, version: str) -> None:
        self.alias = alias
        self._asking = Asking(
            client,
            version,
            listing=LIST,
            advice=f"Check its endpoint and its api_version ({version}).",
        )
        self.samples = IncidentSamples(alias, self._asking, LIST)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    def name_of(self, version: CustomCategory) -> str:
        """What a version is called there."""
        return version.provider_version or incident_name(version.name, version.version)

    def lacks(self, positives: int, negatives: int, size: int) -> list[str]:
        """What samples lack, in words; negative ones are not used at all."""
        if positives <= MAX_SAMPLES:
            return []
        return [
            _(
                "An incident takes at most %(most)d positive samples, there are "
                "%(have)d (negative ones are not used)."
            )
            % {"most": MAX_SAMPLES, "have": positives}
        ]

    @sealed
    def register(self, request: BuildRequest) -> str:
        """Make the incident with its samples, as far as it isn't there; its name."""
        texts = self.samples.of(request)
        incident = incident_name(request.name, request.version)
        found = self._find(incident)
        if found is None:
            content = {
                "incidentName": incident,
                "incidentDefinition": request.definition,
            }
            made = self._asking.ask(
                "PATCH",
                _path(incident),
                json=content,
                headers=_MERGE_PATCH,
                expect=(200, 201),
            )
            _check_name(made, incident)
        elif found.data.get("incidentDefinition") != request.definition:
            raise self._anothers(incident)
        held = self.samples.all(incident)
        if not {folded(text) for text in held.values()} <= {folded(t) for t in texts}:
            raise self._anothers(incident)
        self.samples.fill(incident, texts, held)
        return incident

    @sealed
    def submit(self, request: BuildRequest, provider_version: str) -> None:
        """Begin to deploy it, unless that has begun."""
        if self._operation(request.operation_id) is not None:
            return
        try:
            self.deploy(provider_version, request.operation_id)
        except Conflict as error:
            refused = error
        else:
            return
        # Somebody was quicker: a worker that is thought to be dead.
        if self._operation(request.operation_id) is None:
            raise refused

    @sealed
    def poll(self, request: BuildRequest, provider_version: str) -> BuildState:
        """How far the deployment is; by what it answers where that is forgotten."""
        operation = self._operation(request.operation_id)
        if operation is not None:
            return self._state(operation, request.samples, request.name)
        text = self.samples.of(request)[0]
        if self._detects(provider_version, text):
            return BuildState(status="succeeded", raw_status="Detected", fraction=1.0)
        raise NotFound(
            f"The provider {self.alias!r} knows of no deployment of "
            f"v{request.version}.",
            alias=self.alias,
        )

    @sealed
    def remove(self, request: RemovalRequest) -> None:
        """Delete the incident with its samples, unless it is gone."""
        incident = _incident(request)
        if self._find(incident) is None:
            return
        with suppress(NotFound):
            self._asking.ask(
                "DELETE", _path(incident), expect=(202, 204), may_be_empty=True
            )

    @sealed
    def removal(self, request: RemovalRequest) -> RemovalState:
        """Whether it is gone."""
        if self._find(_incident(request)) is None:
            return RemovalState(status="gone", raw_status="gone")
        # It was called missing when its deletion was to begin, and is there.
        self.remove(request)
        return RemovalState(status="running", raw_status="deleting")

    @sealed
    def catalog(self) -> list[RemoteVersion]:
        """Every incident there is; by its name, which may be a version's of ours."""
        return [self._listed(entry) for entry in self._asking.list()]

    @sealed
    def deploy(self, incident: str, operation_id: str) -> None:
        """Begin to let the samples as they are be what is detected."""
        self._asking.ask(
            "POST",
            f"{_path(incident)}:deploy",
            headers={"Operation-Id": operation_id},
            expect=(202,),
            may_be_empty=True,
        )

    @sealed
    def deployment(self, operation_id: str) -> BuildState:
        """How far it is. Raise NotFound where nobody knows it (any more)."""
        operation = self._operation(operation_id)
        if operation is None:
            raise NotFound(
                f"The provider {self.alias!r} knows of no such deployment.",
                alias=self.alias,
            )
        return self._state(operation, b"", "")

    def _find(self, incident: str) -> Answer | None:
        found = self._asking.find(_path(incident))
        if found is not None:
            _check_name(found, incident)
        return found

    def _operation(self, operation_id: str) -> Answer | None:
        path = f"{LIST}/operations/{quote(operation_id, safe='')}"
        found = self._asking.find(path)
        if found is not None and found.data.get("id") != operation_id:
            raise found.unreadable("is not about the operation asked for")
        return found

    def _detects(self, incident: str, text: str) -> bool:
        """Whether it answers, and finds a sample of its own. Assumed: one that is not
        deployed is refused, or finds nothing."""
        content = {"text": text, "incidentNames": [incident]}
        try:
            answer = self._asking.ask("POST", "/text:detectIncidents", json=content)
        except (ContentError, Conflict, NotFound):
            return False
        return read_incidents(answer, names={incident: incident}).detected[incident]

    def _state(self, operation: Answer, samples: bytes, name: str) -> BuildState:
        raw = word(operation, operation.data, "status")
        if raw not in ("Failed", "Canceled"):
            is_done = raw == "Succeeded"
            return BuildState(
                status="succeeded" if is_done else "running",
                raw_status=raw,
                fraction=1.0 if is_done else 0.0,
            )
        # Where a build's operation has an error object, this has a message.
        error = operation.data.get("errorMessage") or operation.data.get("error")
        why = str(reason(error, samples=samples, name=name)) or raw
        return BuildState(
            status="failed",
            raw_status=raw,
            error=_("The service could not deploy it (%s).") % why,
        )

    def _listed(self, entry: Mapping[str, object]) -> RemoteVersion:
        incident = entry.get("incidentName")
        if not isinstance(incident, str) or not 0 < len(incident) <= 200:
            raise ProtocolError(
                f"The provider {self.alias!r} lists an incident without a name.",
                alias=self.alias,
            )
        versioned = _VERSIONED.fullmatch(incident)
        definition, created = entry.get("incidentDefinition"), entry.get("created")
        return RemoteVersion(
            name=versioned["name"] if versioned else incident,
            provider_version=incident,
            definition=definition if isinstance(definition, str) else "",
            # Assumed: nothing says whether one was ever deployed.
            status="ready",
            created=created[:40] if isinstance(created, str) else "",
        )

    def _anothers(self, incident: str) -> BuildFailed:
        return BuildFailed(
            _(
                "The service has an incident %s with another definition or other "
                "samples: delete it there, or freeze another version."
            )
            % incident,
            alias=self.alias,
        )


def incident_name(name: str, version: int) -> str:
    """What a version is called there: scam-v2; a long name is shortened, and told from
    another of its beginning by a hash."""
    suffix = f"-v{version}"
    if len(name) + len(suffix) <= MAX_NAME:
        return name + suffix
    digest = blake2b(name.encode(), digest_size=4).hexdigest()
    kept = name[: MAX_NAME - len(suffix) - len(digest) - 1].rstrip("-")
    return f"{kept}-{digest}{suffix}"


def _incident(request: RemovalRequest) -> str:
    return request.provider_version or incident_name(request.name, request.version)


def _check_name(answer: Answer, incident: str) -> None:
    if answer.data.get("incidentName") != incident:
        raise answer.unreadable("is not about the incident asked for")


def _path(incident: str) -> str:
    return f"{LIST}/{quote(incident, safe='')}"
