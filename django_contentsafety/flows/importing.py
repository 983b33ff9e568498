"""A file of samples into a category: all of it, or nothing and why."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import router, transaction
from django.db.models import F
from django.utils.translation import gettext as _, ngettext

from ..engine.errors import SampleError
from ..engine.samples import text_hash
from ..engine.samples_csv import parse_samples
from ..exceptions import RefusedError
from ..models import Category, LogEntry, Sample

#: Rows of one INSERT and one IN list: below SQLite's limit of variables.
CHUNK = 500


class SamplesRefused(RefusedError):
    """The file is not imported. ``errors`` say line by line why and what to do."""

    def __init__(self, filename: str, errors: list[SampleError]) -> None:
        self.filename = filename
        self.errors = errors
        count = len(errors)
        super().__init__(
            ngettext(
                "%(file)s was not imported: %(count)d problem.",
                "%(file)s was not imported: %(count)d problems.",
                count,
            )
            % {"file": filename, "count": count}
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    added: int
    #: Samples the category had already, with the same label: left as they are.
    known: int
    #: Lines that were left out because they can't be taken.
    skipped: int = 0


def import_samples(
    category: Category,
    data: bytes,
    *,
    filename: str,
    by: str,
    source: str = Sample.Source.UPLOAD,
    is_positive: bool | None = None,
    skip: bool = False,
) -> Imported:
    """Add the samples of a file (JSONL, CSV or plain lines), in one transaction.

    ``is_positive`` is the label of plain lines. Raise SamplesRefused, with nothing
    stored, where any line can't be taken; with ``skip`` those lines are left out, and
    it is raised only where none is left.
    """
    parsed = parse_samples(data, is_positive=is_positive)
    if parsed.errors and not (skip and parsed.samples):
        raise SamplesRefused(filename, list(parsed.errors))
    rows = {text_hash(sample.text): (line, sample) for line, sample in parsed.samples}
    if not rows:
        raise SamplesRefused(
            filename,
            [
                SampleError(
                    line=None,
                    code="empty",
                    message=_("The file holds no samples."),
                    remedy=_('Write one {"text": "…", "isPositive": true} a line.'),
                )
            ],
        )
    with transaction.atomic(router.db_for_write(Category)):
        # A write first: it makes two imports into one category wait for each other.
        Category.objects.filter(pk=category.pk).update(last_number=F("last_number"))
        known = known_labels(category, list(rows))
        errors = [
            SampleError(
                line=line,
                code="contradicts",
                message=_("The category has this text as a %(label)s sample.")
                % {"label": _("positive") if known[key] else _("negative")},
                remedy=_("Delete one of the two, or give both the same label."),
            )
            for key, (line, sample) in rows.items()
            if key in known and known[key] != sample.is_positive
        ]
        if errors and not skip:
            raise SamplesRefused(filename, errors)
        new = [
            Sample(
                category=category,
                text=sample.text,
                text_hash=key,
                is_positive=sample.is_positive,
                source=source,
                created_by=by,
            )
            for key, (_line, sample) in rows.items()
            if key not in known
        ]
        skipped = sum(parsed.refused.values()) + len(errors)
        Sample.objects.bulk_create(new, batch_size=CHUNK)
        LogEntry.objects.create(
            event="samples_imported",
            actor_key=by,
            subject=category.name,
            details={"added": len(new), "known": len(known), "skipped": skipped},
        )
    return Imported(added=len(new), known=len(known) - len(errors), skipped=skipped)


def known_labels(category: Category, keys: list[str]) -> dict[str, bool]:
    """The labels of the category's samples among those with ``keys``, by key."""
    known: dict[str, bool] = {}
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        rows = category.samples.filter(text_hash__in=chunk)
        known.update(rows.values_list("text_hash", "is_positive"))
    return known
