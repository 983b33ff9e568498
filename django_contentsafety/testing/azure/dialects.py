"""Custom categories as the two previews wrote them: fields and status words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .state import Version

GA = "2024-09-01"
OLDER = "2024-05-15-preview"
NEWER = ("2024-09-15-preview", "2024-09-30-preview")
EVERY = (OLDER, GA, *NEWER)
CUSTOM = (OLDER, *NEWER)
MODERATOR = "2022-09-30-preview"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one preview shows a version."""

    #: The field that says where the copy of the samples is.
    copy_field: str
    #: From our words to the service's; any other goes out as it is.
    words: Mapping[str, str]
    #: The fields of a registration besides the three that both have.
    extra: tuple[str, ...] = ()

    def word(self, status: str) -> str:
        """The service's word for ``status``."""
        return self.words.get(status, status)

    def shown(self, version: Version, *, listed: bool = False) -> dict[str, Any]:
        """The version as an answer has it; in a list its errors are nested deeper."""
        answer: dict[str, Any] = {
            "categoryName": version.name,
            "definition": version.definition,
            "sampleBlobUrl": version.blob_url,
            self.copy_field: version.copy_url,
            "version": version.number,
            "createdTime": version.created,
            "status": self.word(version.status),
        }
        if self is OLDER_DIALECT:
            answer |= _infos(version, listed=listed)
        elif version.status == "failed":
            answer["errorMessage"] = version.error[1]
        return answer


OLDER_DIALECT = Dialect(
    copy_field="sampleBlobCopyUrl",
    words={
        "registered": "BuildNotStarted",
        "running": "Building",
        "succeeded": "BuildSucceeded",
        "failed": "BuildFailed",
        "deleting": "Deleting",
        "delete_failed": "DeleteFailed",
    },
    extra=("blobDelimiter",),
)
NEWER_DIALECT = Dialect(
    copy_field="sampleBlobSnapshotUrl",
    words={
        "registered": "NotStarted",
        "running": "Running",
        "succeeded": "Succeeded",
        "failed": "Failed",
    },
)


def dialect_of(api_version: str) -> Dialect:
    """The dialect of an API version."""
    return OLDER_DIALECT if api_version == OLDER else NEWER_DIALECT


def error_of(version: Version) -> dict[str, Any]:
    """The version's last error in the standard shape."""
    code, message = version.error
    return {"code": code, "message": message}


def _infos(version: Version, *, listed: bool) -> dict[str, Any]:
    """When something was begun, and what went wrong."""
    answer: dict[str, Any] = {}
    error: dict[str, Any] = {"error": error_of(version)}
    if listed:
        error["errorCode"] = version.error[0]
    if version.build_triggered:
        answer["buildInfo"] = {"lastBuildTriggeredTime": version.build_triggered}
        if version.status == "failed":
            answer["buildInfo"]["buildError"] = error
    if version.delete_triggered:
        answer["deleteInfo"] = {"deleteTriggeredTime": version.delete_triggered}
        if version.status == "delete_failed":
            answer["deleteInfo"]["deleteError"] = error
    return answer
