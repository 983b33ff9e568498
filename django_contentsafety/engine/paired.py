"""Tell a real difference between two classifiers from a chance one."""

from __future__ import annotations

__all__ = ["mcnemar"]


def mcnemar(fixed: int, broken: int) -> float:
    """Return the chance of a split at least this uneven between equals, 0..1.

    `fixed` and `broken` count the samples that only the second and only the first of
    two classifiers told right; those which both told alike say nothing. The exact
    two-sided test of McNemar 1947, Psychometrika 12:153.
    """
    flips = fixed + broken
    term, total = 1, 0
    for successes in range(min(fixed, broken) + 1):
        total += term
        term = term * (flips - successes) // (successes + 1)
    # The division of two whole numbers is exact however long they are.
    return min(1.0, 2 * total / (1 << flips))
