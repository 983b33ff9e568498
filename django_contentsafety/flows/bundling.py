"""A category leaves as one file, and comes in from one: all of it, or nothing."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import F
from django.utils.translation import gettext as _

from ..engine import bundles
from ..engine.bundles import Bundle, BundledVersion, CategoryFacts, VersionFacts
from ..engine.samples import Sample as EngineSample, parse_jsonl, text_hash, write_jsonl
from ..exceptions import ProviderError, RefusedError
from ..models import Category, CategoryVersion, LogEntry, Sample
from ..providers import BuildRequest, providers
from .entries import atomic
from .importing import CHUNK

Status = CategoryVersion.Status

#: What a version is in a bundle. One that is being built has nothing yet but its
#: samples; what is being deleted stays behind.
EXPORTED = {
    Status.FROZEN: "frozen",
    Status.BUILDING: "frozen",
    Status.FAILED: "frozen",
    Status.READY: "ready",
    Status.RETIRED: "retired",
}
MAX_DEFINITION: int = Category._meta.get_field("definition").max_length or 1000
#: The years that every database and every time zone can hold.
_TIME = re.compile(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVersion:
    """What a version of a bundle becomes here."""

    bundled: BundledVersion = field(repr=False)
    status: str
    #: The provider's name of it, where it is taken over as it is.
    provider_version: str = ""
    #: Why it is not ready, though it was there; empty where there is nothing to say.
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What importing a bundle would make; ``problems`` are why it would be refused."""

    name: str
    definition: str
    provider: str
    samples: tuple[tuple[str, bool], ...] = field(repr=False)
    last_number: int
    #: The number that was active where it came from. None is, on import.
    active: int | None
    versions: tuple[PlannedVersion, ...]
    problems: tuple[str, ...]

    @property
    def positives(self) -> int:
        return sum(is_positive for _text, is_positive in self.samples)

    @property
    def negatives(self) -> int:
        return len(self.samples) - self.positives


def export_bundle(
    category: Category, *, by: str, numbers: Collection[int] | None = None
) -> bytes:
    """The category as a file: its samples and versions, or only those with ``numbers``.

    The same content gives the same bytes; who did what stays here. Raise RefusedError
    where there is no such version, EngineError where no bundle can hold it.
    """
    with atomic():
        # A write first: nobody freezes or uploads between our two reads.
        Category.objects.filter(pk=category.pk).update(last_number=F("last_number"))
        category.refresh_from_db()
        # What was built elsewhere has nothing here that could travel.
        versions = category.versions.filter(status__in=EXPORTED, is_adopted=False)
        versions = versions.order_by("number")
        if numbers is not None:
            versions = versions.filter(number__in=numbers)
            found = set(versions.values_list("number", flat=True))
            if missing := sorted(set(numbers) - found):
                raise RefusedError(
                    _("%(category)s has no version %(number)d to export.")
                    % {"category": category, "number": missing[0]}
                )
        active = category.active_version
        rows = category.samples.order_by("pk").values_list("text", "is_positive")
        data = bundles.dump(
            Bundle(
                category=CategoryFacts(
                    name=category.name,
                    definition=category.definition,
                    provider=category.provider,
                    last_number=category.last_number,
                    active=active.number if active else None,
                ),
                samples=write_jsonl(
                    EngineSample(text=text, is_positive=is_positive)
                    for text, is_positive in rows
                ),
                versions=tuple(_bundled(version) for version in versions),
            )
        )
        LogEntry.objects.create(
            event="exported",
            actor_key=by,
            subject=category.name,
            details={"samples": len(rows), "versions": len(versions)},
        )
    return data


def preview_bundle(
    data: bytes, *, name: str | None = None, provider: str | None = None
) -> Plan:
    """What ``import_bundle`` would do with this file. Nothing is stored.

    Raise BundleError, an EngineError, where the file is no bundle that can be read.
    """
    bundle = bundles.load(data)
    facts = bundle.category
    category = Category(
        name=name or facts.name,
        definition=facts.definition,
        provider=provider or facts.provider,
    )
    problems = _problems(category)
    for version in bundle.versions:
        if len(version.facts.definition) > MAX_DEFINITION or not _are_times(
            version.facts
        ):
            problems.append(
                _("Version %d of the bundle has a definition or a time out of bounds.")
                % version.facts.number
            )
    parsed = parse_jsonl(
        bundle.samples,
        max_line_bytes=len(bundle.samples),
        max_bytes=len(bundle.samples),
    )
    return Plan(
        name=category.name,
        definition=category.definition,
        provider=category.provider,
        samples=tuple((s.text, s.is_positive) for _line, s in parsed.samples),
        last_number=facts.last_number,
        active=facts.active,
        versions=tuple(_plan(category, version) for version in bundle.versions),
        problems=tuple(problems),
    )


def import_bundle(
    data: bytes, *, by: str, name: str | None = None, provider: str | None = None
) -> Category:
    """Make the category that a bundle holds, under ``name`` and with ``provider``.

    Versions keep their numbers; one is ready where it was and the provider takes its
    artifact over, none is active. Raise RefusedError or BundleError with nothing
    stored: a category's samples and versions are never mixed with another's.
    """
    plan = preview_bundle(data, name=name, provider=provider)
    if plan.problems:
        raise RefusedError(" ".join(plan.problems))
    try:
        with atomic():
            category = Category.objects.create(
                name=plan.name,
                definition=plan.definition,
                provider=plan.provider,
                last_number=plan.last_number,
            )
            Sample.objects.bulk_create(
                (
                    Sample(
                        category=category,
                        text=text,
                        text_hash=text_hash(text),
                        is_positive=is_positive,
                        source=Sample.Source.UPLOAD,
                        created_by=by,
                    )
                    for text, is_positive in plan.samples
                ),
                batch_size=CHUNK,
            )
            for version in plan.versions:
                _create(category, version, by)
            LogEntry.objects.create(
                event="bundle_imported",
                actor_key=by,
                subject=category.name,
                details={
                    "samples": len(plan.samples),
                    "versions": len(plan.versions),
                    "sha256": sha256(data).hexdigest(),
                },
            )
    except IntegrityError:
        # Another person made one of this name in the same moment.
        raise RefusedError(_taken(plan.name)) from None
    return category


def _problems(category: Category) -> list[str]:
    if Category.objects.filter(name=category.name).exists():
        return [_taken(category.name)]
    if len(category.definition) > MAX_DEFINITION:
        # Of a TextField's length only forms make sure.
        return [
            _("The definition is longer than %d characters.") % MAX_DEFINITION,
        ]
    try:
        category.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        return [
            f"{name}: {message}"
            for name, messages in error.message_dict.items()
            for message in messages
        ]
    return []


def _taken(name: str) -> str:
    return (
        _("There is a category “%s” already: give the imported one another name.")
        % name
    )


def _plan(category: Category, version: BundledVersion) -> PlannedVersion:
    facts = version.facts
    if facts.status == "frozen":
        return PlannedVersion(bundled=version, status=Status.FROZEN)
    # A retired one, too: reinstated it would be ready, with nothing that answers.
    if version.artifact is None:
        why = _("There is no artifact in the bundle: build it again.")
        return PlannedVersion(bundled=version, status=Status.FROZEN, why=why)
    if category.provider not in providers:
        return PlannedVersion(bundled=version, status=Status.FROZEN)
    request = BuildRequest(
        name=category.name,
        version=facts.number,
        definition=facts.definition,
        samples=version.samples,
        operation_id="",
    )
    try:
        adopted = providers[category.provider].adopt(request, version.artifact)
    except ProviderError as error:
        why = _("%(error)s Build it again.") % {"error": error}
        return PlannedVersion(bundled=version, status=Status.FROZEN, why=why)
    return PlannedVersion(
        bundled=version, status=Status(facts.status), provider_version=adopted
    )


def _create(category: Category, planned: PlannedVersion, by: str) -> None:
    version, facts = planned.bundled, planned.bundled.facts
    taken = bool(planned.provider_version)
    CategoryVersion.objects.create(
        category=category,
        number=facts.number,
        definition=facts.definition,
        provider=category.provider,
        samples_jsonl=version.samples,
        samples_sha256=sha256(version.samples).hexdigest(),
        positive_count=facts.positives,
        negative_count=facts.negatives,
        redacted=facts.redacted,
        status=planned.status,
        # The card tells of the artifact: without the one the other says nothing.
        card=version.card if taken else None,
        artifact=version.artifact if taken else None,
        provider_version=planned.provider_version,
        created_by=by,
        created_at=_time(facts.frozen_at),
        ready_at=_time(facts.ready_at) if taken and facts.ready_at else None,
    )


def _bundled(version: CategoryVersion) -> BundledVersion:
    status = EXPORTED[Status(version.status)]
    is_built = status != "frozen"
    return BundledVersion(
        facts=VersionFacts(
            number=version.number,
            definition=version.definition,
            provider=version.provider,
            status=status,
            positives=version.positive_count,
            negatives=version.negative_count,
            redacted=version.redacted,
            frozen_at=version.created_at.astimezone(UTC).isoformat(),
            ready_at=version.ready_at.astimezone(UTC).isoformat()
            if version.ready_at and is_built
            else None,
        ),
        samples=bytes(version.samples_jsonl),
        card=version.card if is_built else None,
        artifact=bytes(version.artifact)
        if version.artifact is not None and is_built
        else None,
    )


def _are_times(facts: VersionFacts) -> bool:
    try:
        for value in (facts.frozen_at, facts.ready_at):
            if value is not None:
                _time(value)
    except ValueError:
        return False
    return True


def _time(value: str) -> datetime:
    if not _TIME.fullmatch(value):
        raise ValueError(value)
    return datetime.fromisoformat(value)
