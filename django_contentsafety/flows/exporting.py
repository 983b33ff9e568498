"""Samples leave as the seed's JSONL: a version's frozen bytes, or the live ones.

Both are what ``engine.samples.write_jsonl`` makes, so an import of what was exported
exports as the same bytes again.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..engine.samples import Sample as EngineSample, write_jsonl
from ..models import Category, CategoryVersion

#: Samples that are read, and bytes that are sent, at once.
STEP, CHUNK = 500, 65_536


def export_live(category: Category) -> Iterator[bytes]:
    """The category's samples as they are, in the order in which they came.

    Raise SampleError, before the first byte, where one of them can't stand in a line.
    """
    for _chunk in _live(category):
        pass  # A download that breaks off in the middle would look like a whole one.
    return _live(category)


def export_frozen(version: CategoryVersion) -> Iterator[bytes]:
    """The very bytes that were frozen."""
    frozen = CategoryVersion.objects.values_list("samples_jsonl", flat=True)
    data = bytes(frozen.get(pk=version.pk))
    return (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))


def _live(category: Category) -> Iterator[bytes]:
    rows = category.samples.order_by("pk").values_list("pk", "text", "is_positive")
    last = 0
    # By key, not by a cursor: a slow reader would keep that open.
    while step := list(rows.filter(pk__gt=last)[:STEP]):
        yield write_jsonl(
            EngineSample(text=text, is_positive=positive)
            for _pk, text, positive in step
        )
        last = step[-1][0]
