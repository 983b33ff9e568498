"""The demo's table and its summary."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from .outcomes import Outcome

#: Columns of a terminal that a message may take.
MESSAGE_WIDTH = 48


def width(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    return sum(map(_char_width, text))


def fit(text: str, columns: int) -> str:
    """Cut or pad the text to exactly this many columns."""
    if width(text) > columns:
        while width(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - width(text))


def table(
    outcomes: Sequence[Outcome], paint: Callable[[str, str], str]
) -> Iterator[str]:
    """Yield the lines; ``paint`` colors a cell of the given decision."""
    heads = ("Message", "Kind", "Decision", "Category", "Score")
    cells = [_cells(outcome) for outcome in outcomes]
    widths = [
        MESSAGE_WIDTH,
        *(
            max(width(row[column]) for row in (heads, *cells))
            for column in range(1, len(heads))
        ),
    ]
    yield _line(heads, widths)
    yield "  ".join("─" * columns for columns in widths)
    for row in cells:
        yield _line(row, widths, paint)


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Count the decisions, and how they meet what the messages were written as."""
    decisions = Counter(outcome.decision for outcome in outcomes)
    counts = ", ".join(f"{number} {name}" for name, number in decisions.most_common())
    return (
        f"{len(outcomes)} messages in {seconds:.1f} s: {counts}. "
        f"Scams caught: {_held(outcomes, 'scam')}, "
        f"hateful {_held(outcomes, 'hateful')}, violent {_held(outcomes, 'violent')}, "
        f"sexual {_held(outcomes, 'sexual')}, "
        f"self-harm {_held(outcomes, 'self-harm')}. "
        f"Wrongly held: {_held(outcomes, 'harmless')} harmless, "
        f"{_held(outcomes, 'hard')} hard cases."
    )


def _held(outcomes: Sequence[Outcome], kind: str) -> str:
    of_kind = [outcome for outcome in outcomes if outcome.message.kind == kind]
    return f"{sum(outcome.held for outcome in of_kind)} of {len(of_kind)}"


def _cells(outcome: Outcome) -> tuple[str, ...]:
    return (
        " ".join(outcome.message.text.split()),
        outcome.message.kind,
        outcome.decision,
        outcome.category,
        "" if outcome.score is None else f"{outcome.score:.2f}",
    )


def _line(
    cells: Sequence[str],
    widths: Sequence[int],
    paint: Callable[[str, str], str] = lambda cell, decision: cell,
) -> str:
    message, kind, decision, category, score = map(fit, cells, widths)
    parts = [message, kind, paint(decision, cells[2]), category, score]
    return "  ".join(parts).rstrip()


def _char_width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
