"""What may become of a version, and of a build: two state machines as tables."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models
from django.utils.translation import gettext_lazy as _


class BuildStatus(models.TextChoices):
    """How far a build is; the order of a good one, then the ways it ends."""

    QUEUED = "queued", _("queued")
    REGISTERING = "registering", _("registering")
    REGISTERED = "registered", _("registered")
    SUBMITTING = "submitting", _("submitting")
    BUILDING = "building", _("building")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    CANCELED = "canceled", _("canceled")
    NEEDS_ATTENTION = "needs_attention", _("needs attention")


FINAL = (BuildStatus.SUCCEEDED, BuildStatus.FAILED, BuildStatus.CANCELED)
LIVE = tuple(status for status in BuildStatus if status not in FINAL)

#: Where each step of a build may come from (reliability.md §7.2, B1–B10). A step onto
#: itself is progress within it.
BUILD_TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    BuildStatus.REGISTERING: (BuildStatus.QUEUED, BuildStatus.REGISTERING),
    BuildStatus.REGISTERED: (BuildStatus.REGISTERING,),
    BuildStatus.SUBMITTING: (BuildStatus.REGISTERED, BuildStatus.SUBMITTING),
    BuildStatus.BUILDING: (BuildStatus.SUBMITTING, BuildStatus.BUILDING),
    BuildStatus.SUCCEEDED: (BuildStatus.BUILDING,),
    BuildStatus.FAILED: LIVE[:-1],
    BuildStatus.CANCELED: LIVE,
    BuildStatus.NEEDS_ATTENTION: LIVE[:-1],
    # A person saw to it: the steps ask before they act, so starting over is safe.
    BuildStatus.QUEUED: (BuildStatus.NEEDS_ATTENTION,),
}


class VersionStatus(models.TextChoices):
    FROZEN = "frozen", _("frozen")
    BUILDING = "building", _("building")
    READY = "ready", _("ready")
    FAILED = "failed", _("failed")
    RETIRED = "retired", _("retired")
    DELETING = "deleting", _("deleting")
    DELETED = "deleted", _("deleted")
    DELETE_FAILED = "delete_failed", _("delete failed")


class WithheldWhy(models.TextChoices):
    """Why no samples of a version are withheld for its card."""

    OFF = "off", _("CONTENTSAFETY_WITHHELD_SHARE is 0")
    FEW = "few", _("there are too few samples to measure anything on a share of them")
    NEEDS = "needs", _("the provider needs every sample to build from")


#: Where each status of a version may come from. Nothing comes back from *deleted*, and
#: what is built is not deleted meanwhile.
VERSION_TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    VersionStatus.FROZEN: (),
    VersionStatus.BUILDING: (VersionStatus.FROZEN, VersionStatus.FAILED),
    VersionStatus.READY: (VersionStatus.BUILDING, VersionStatus.RETIRED),
    VersionStatus.FAILED: (VersionStatus.BUILDING,),
    VersionStatus.RETIRED: (VersionStatus.READY,),
    VersionStatus.DELETING: (
        VersionStatus.FROZEN,
        VersionStatus.READY,
        VersionStatus.FAILED,
        VersionStatus.RETIRED,
        VersionStatus.DELETE_FAILED,
        # Progress within it.
        VersionStatus.DELETING,
    ),
    VersionStatus.DELETED: (VersionStatus.DELETING, VersionStatus.DELETE_FAILED),
    VersionStatus.DELETE_FAILED: (VersionStatus.DELETING,),
}
