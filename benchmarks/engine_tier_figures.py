"""The two tiers side by side, as a table of the documentation."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean
from typing import Any

__all__ = ["tiers"]

Table = tuple[list[str], list[list[object]]]

_FOUR = ("Hate", "Sexual", "Violence", "SelfHarm")
#: The ways of hiding words that were in view when the normalizer was written.
_IN_VIEW = ("zero_width", "homoglyphs", "leet", "spaced", "tripled", "typos")


def tiers(report: dict[str, Any]) -> Table:
    found = report["tiers"]
    rows: list[list[object]] = []

    def add(name: str, show: Callable[[dict[str, Any]], object]) -> None:
        rows.append([name, *(show(of) for of in found.values())])

    for category in (*_FOUR, "Harassment"):
        add(
            f"average precision, {category}, mean of unseen sources",
            lambda of, name=category: f"{_precision(of, name):.3f}",
        )
    add(
        "the same, mean of the four",
        lambda of: f"**{mean(_precision(of, name) for name in _FOUR):.3f}**",
    )
    add(
        "any of the five, mean of unseen sources",
        lambda of: f"**{_mean(of['any_harm'], 'average_precision'):.3f}**",
    )
    for kind, words in (
        ("neutral-identity", "a group is named, no more: below severity 2"),
        ("positive-identity", "praise of a group: below severity 2"),
    ):
        add(words, lambda of, kind=kind: f"{of['identity'][kind]['below_2']:.0%}")
    add(
        "worst loss of average precision by six ways to hide words",
        lambda of: f"{max(map(_loss, of['hidden'].values())):.3f}",
    )
    add(
        "ordinary English texts at severity 4, mean (worst) of the five",
        lambda of: (
            f"{_mean(of['flagged'], 'at_4'):.1%} "
            f"({max(one['at_4'] for one in of['flagged'].values()):.1%})"
        ),
    )
    for length in (100, 600):
        add(
            f"a text of {length} characters, CPU ms, alone (in batches of 64)",
            lambda of, name=f"ms_{length}": (
                f"{of['cost'][name]['single']:.3g} ({of['cost'][name]['batch']:.3g})"
            ),
        )
    add("memory over bare Python, MB", lambda of: f"{of['cost']['memory_mb']:.0f}")
    add("import to first score, CPU s", lambda of: of["cost"]["first_score_cpu_s"])
    add(
        f"training {report['options']['samples']} samples with their card, CPU s",
        lambda of: f"{of['cost']['train_cpu_s']:.3g}",
    )
    return ["", *found], rows


def _precision(of: dict[str, Any], category: str) -> float:
    return _mean(of["average_precision"][category], "average_precision")


def _mean(some: dict[str, dict[str, float]], name: str) -> float:
    return mean(one[name] for one in some.values())


def _loss(of: dict[str, float]) -> float:
    return max(of["as it is"] - of[attack] for attack in _IN_VIEW)
