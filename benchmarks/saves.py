"""What a save costs: bare, moderated, and with django-simple-history.

Each round saves the same text in the three models in turn; a figure is the middle
(p50) save of a model over the bare model's, in that round. Nothing is woken: what a
decision costs is ``benchmarks.throughput``'s.
"""

from __future__ import annotations

import argparse
import random
import time
from statistics import median
from typing import Any

from . import databases, reports

#: Code points of a body: a longish comment.
LENGTH = 500
#: Name → what one save of an object does before it is timed, and its options.
KINDS = ("created", "changed", "unchanged", "unwatched")


def main() -> None:
    options = reports.arguments(
        __doc__ or "", rounds=7, number=300, seed=1
    ).parse_args()
    found = reports.on_each("saves", options, databases.NAMES, measure)
    reports.write("saves", options, found)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    from .site.models import Historic, Moderated, Plain

    models = {"plain": Plain, "moderated": Moderated, "history": Historic}
    chance = random.Random(options.seed)
    ratios: dict[str, dict[str, list[float]]] = {
        kind: {name: [] for name in models if name != "plain"} for kind in KINDS
    }
    bare: dict[str, list[float]] = {kind: [] for kind in KINDS}
    objects = {name: model.objects.create(title="t") for name, model in models.items()}
    for _ in range(options.rounds):
        for kind in KINDS:
            times: dict[str, list[float]] = {name: [] for name in models}
            for number in range(options.number):
                body = _text(chance)
                # In another order each time, so that none is always behind another.
                for name in chance.sample(list(models), len(models)):
                    obj = objects[name]
                    if kind == "created":
                        obj = models[name](title="t", body=body)
                    elif kind == "changed":
                        obj.body = body
                    obj.views = number
                    fields = ["views"] if kind == "unwatched" else None
                    started = time.perf_counter()
                    obj.save(update_fields=fields)
                    times[name].append(time.perf_counter() - started)
            base = median(times["plain"])
            bare[kind].append(base * 1000)
            for name, values in ratios[kind].items():
                values.append(median(times[name]) / base)
    return {
        "bare_ms": {kind: reports.spread(values, 3) for kind, values in bare.items()},
        "ratio_to_bare": {
            kind: {name: reports.spread(values) for name, values in of.items()}
            for kind, of in ratios.items()
        },
    }


def _text(chance: random.Random) -> str:
    words = ["what", "a", "lovely", "place", "to", "stay", "we", "come", "again"]
    text = " ".join(chance.choices(words, k=LENGTH // 4))
    return text[:LENGTH]


if __name__ == "__main__":
    main()
