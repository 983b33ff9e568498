"""Fit linear heads, and score every row by heads that haven't seen its part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .matrix import Matrix
from .rows import CATEGORIES, Row
from .selection import part

__all__ = ["Fit", "Say", "fit", "held_out", "leave_out", "targets"]

#: Inverse strength of the L2 penalty; between 0.3 and 3 nothing changed beyond noise.
C = 1.0

#: Called with what happens next: training takes minutes.
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The logit of a row is ``row @ weights + bias``."""

    weights: Any
    bias: float

    def logits(self, matrix: Matrix) -> Any:
        return matrix @ self.weights + self.bias


def targets(rows: Sequence[Row], category: str) -> Any:
    """1 where a row belongs to the category, 0 where it doesn't, -1 where unknown."""
    import numpy as np

    known = {True: 1, False: 0, None: -1}
    return np.array([known[row.labels.get(category)] for row in rows], dtype=np.int8)


def fit(matrix: Matrix, labels: Any, weights: Any) -> Fit:
    """Logistic regression; both labels weigh the same in total.

    L-BFGS from zero draws no numbers: on one thread the same rows give the same bytes.
    """
    import numpy as np
    from scipy.optimize import minimize

    # A bucket that no row touches has weight 0 in any case.
    width = matrix.shape[1]
    matrix, columns = matrix.used()
    shares = np.where(
        labels == 1,
        weights / (2 * weights[labels == 1].sum()),
        weights / (2 * weights[labels == 0].sum()),
    )
    signs = np.where(labels == 1, 1.0, -1.0)
    penalty = 1 / (C * len(labels))

    def loss(point: Any) -> tuple[float, Any]:
        margins = signs * (matrix @ point[:-1] + point[-1])
        errors = -signs * shares * np.exp(-np.logaddexp(0, margins))
        slope = np.append(matrix.gradient(errors), errors.sum())
        slope[:-1] += penalty * point[:-1]
        value = shares @ np.logaddexp(0, -margins)
        return float(value + penalty / 2 * point[:-1] @ point[:-1]), slope

    found = minimize(
        loss,
        np.zeros(matrix.shape[1] + 1),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 100, "ftol": 1e-6, "gtol": 1e-7},
    )
    full = np.zeros(width)
    full[columns] = found.x[:-1]
    return Fit(weights=full, bias=float(found.x[-1]))


def leave_out(
    rows: Sequence[Row], matrix: Matrix, say: Say
) -> Iterator[tuple[str, Any, dict[str, Fit]]]:
    """Yield the name of each part, which rows it is, and heads trained without it."""
    import numpy as np

    parts = np.array([part(row) for row in rows])
    weights = np.array([row.weight for row in rows])
    for name in sorted(set(parts) - {""}):
        say(f"without {name}")
        mine = parts == name
        rest = matrix[~mine]
        models = {}
        for category in CATEGORIES:
            labels = targets(rows, category)[~mine]
            known = labels >= 0
            models[category] = fit(rest[known], labels[known], weights[~mine][known])
        yield name, mine, models


def held_out(rows: Sequence[Row], matrix: Matrix, say: Say) -> dict[str, Any]:
    """For each category the logits of all rows, NaN for those that are never held out.

    A row is scored by a head trained without its part, so that the figures are those
    of texts from a source the head has never seen.
    """
    import numpy as np

    found = {category: np.full(len(rows), np.nan) for category in CATEGORIES}
    for _, mine, models in leave_out(rows, matrix, say):
        for category, model in models.items():
            found[category][mine] = model.logits(matrix[mine])
    return found
