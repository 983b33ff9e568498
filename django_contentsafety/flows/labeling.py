"""Samples are relabeled and deleted, many at once: logged in numbers, not in texts."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import F, QuerySet

from ..models import Category, LogEntry, Sample
from .entries import atomic


def relabel(samples: QuerySet[Sample], *, is_positive: bool, by: str) -> int:
    """Give ``samples`` a label; return how many had the other one.

    A category has each text once, so no two labels can contradict each other. Frozen
    versions keep the labels they were frozen with.
    """
    label = "positive" if is_positive else "negative"

    def change(rows: QuerySet[Sample]) -> int:
        return rows.exclude(is_positive=is_positive).update(is_positive=is_positive)

    return _in_each_category(samples, change, "samples_relabeled", label, by)


def delete_samples(samples: QuerySet[Sample], *, by: str) -> int:
    """Delete ``samples``; return how many there were. Frozen versions keep theirs."""

    def change(rows: QuerySet[Sample]) -> int:
        return rows.delete()[0]

    return _in_each_category(samples, change, "samples_deleted", "", by)


def log_sample(event: str, sample: Sample, *, by: str) -> None:
    """Note that a person wrote one sample."""
    LogEntry.objects.create(
        event=event,
        actor_key=by,
        subject=sample.category.name,
        details={"sample": sample.pk},
    )


def _in_each_category(
    samples: QuerySet[Sample],
    change: Callable[[QuerySet[Sample]], int],
    event: str,
    label: str,
    by: str,
) -> int:
    # Neither an order nor joined columns mean anything to a write.
    rows = samples.order_by().select_related(None)
    categories = dict(rows.values_list("category", "category__name").distinct())
    total = 0
    for pk, name in sorted(categories.items()):
        with atomic():
            # A write first: a version that is being frozen has all of it, or nothing.
            Category.objects.filter(pk=pk).update(last_number=F("last_number"))
            count = change(rows.filter(category=pk))
            if count:
                LogEntry.objects.create(
                    event=event,
                    actor_key=by,
                    subject=name,
                    to_value=label,
                    details={"samples": count},
                )
            total += count
    return total
