"""How much Azure takes to build from, and how many versions it keeps."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from ...exceptions import SlotsFull
from ..base import RemoteVersion

#: How many there may be (Azure's documentation, custom categories: limits; five of each
#: in the private preview).
MAX_CATEGORIES, MAX_VERSIONS = 3, 3
MIN_POSITIVES, MAX_POSITIVES = 50, 5_000
MAX_SAMPLES, MAX_BYTES = 10_000, 128_000


def explain_samples(positives: int, negatives: int, size: int) -> list[str]:
    """What samples lack before custom categories are built from them, in words.

    ``size`` is that of the frozen JSONL in bytes.
    """
    lacking = []
    if not MIN_POSITIVES <= positives <= MAX_POSITIVES:
        lacking.append(
            _("Azure takes %(least)d to %(most)d positive samples, there are %(have)d.")
            % {"least": MIN_POSITIVES, "most": MAX_POSITIVES, "have": positives}
        )
    if positives + negatives > MAX_SAMPLES:
        lacking.append(
            _("Azure takes at most %(most)d samples in all, there are %(have)d.")
            % {"most": MAX_SAMPLES, "have": positives + negatives}
        )
    if size > MAX_BYTES:
        lacking.append(
            _(
                "Azure takes at most %(most)d bytes of samples, there are %(have)d: "
                "shorten the longest, or leave some out."
            )
            % {"most": MAX_BYTES, "have": size}
        )
    return lacking


def full(alias: str, name: str, listed: Sequence[RemoteVersion]) -> SlotsFull | None:
    """Whether there is no place for a further version of ``name``; None = there is.

    Assumed: no document says how the service refuses one, so it is counted.
    """
    held = [one for one in listed if one.name == name]
    names = {one.name for one in listed}
    facts = {"name": name, "count": len(held)}
    if len(held) >= MAX_VERSIONS:
        limit = MAX_VERSIONS
        words = _(
            "Azure keeps %(count)d versions of %(name)s and takes no further one: "
            "delete one of them, then try again."
        )
    elif name not in names and len(names) >= MAX_CATEGORIES:
        limit, held = MAX_CATEGORIES, list(listed)
        facts["count"] = len(names)
        words = _(
            "Azure keeps %(count)d categories and takes no further one: delete all "
            "versions of one of them, then try again."
        )
    else:
        return None
    return SlotsFull(
        words % facts,
        limit=limit,
        held=tuple((one.name, one.provider_version) for one in held),
        alias=alias,
    )
