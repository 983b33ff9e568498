"""A file of samples into a category: all of it, or nothing and why."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import router, transaction
from django.db.models import F
from django.utils.translation import gettext as _, ngettext

from ..engine.errors import SampleError
from ..engine.samples import parse_jsonl, text_hash
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


def import_samples(
    category: Category,
    data: bytes,
    *,
    filename: str,
    by: str,
    source: str = Sample.Source.UPLOAD,
) -> Imported:
    """Add the samples of a JSONL file, in one transaction.

    Raise SamplesRefused, with nothing stored, where any line can't be taken.
    """
    parsed = parse_jsonl(data)
    if parsed.errors:
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
        known = _known(category, list(rows))
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
        if errors:
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
        Sample.objects.bulk_create(new, batch_size=CHUNK)
        LogEntry.objects.create(
            event="samples_imported",
            actor_key=by,
            subject=category.name,
            details={"added": len(new), "known": len(known)},
        )
    return Imported(added=len(new), known=len(known))


def _known(category: Category, keys: list[str]) -> dict[str, bool]:
    known: dict[str, bool] = {}
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        rows = category.samples.filter(text_hash__in=chunk)
        known.update(rows.values_list("text_hash", "is_positive"))
    return known
