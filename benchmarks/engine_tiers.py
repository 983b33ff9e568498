"""Measure the engine's two tiers on the same texts: what the encoder is worth.

``python -m benchmarks.engine_tiers --data FOLDER`` needs the data that NOTICE names,
and the extra ``minilm``.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import numpy as np

from django_contentsafety.engine import api, artifacts, harm
from django_contentsafety.engine.scoring import analyze
from django_contentsafety.engine.tiers import MINILM, TIERS
from django_contentsafety.engine.unrelated import unrelated_texts
from tools.train_harm.rows import CATEGORIES, Row, place
from tools.train_harm.selection import ROWS, first, select
from tools.train_harm.sources import load

from . import engine_cost, reports
from .engine import LENGTHS, mean_precision, sample
from .engine_attacks import ATTACKS
from .engine_scores import any_harm, identity, precision, score_rows

#: Categories of one's own that are scored beside the built-in ones.
OWN = 10
#: Texts of each of two sources that are hidden in the ways of `ATTACKS`.
HIDDEN = 80
#: Texts whose speed is measured.
TEXTS = 64


def main() -> None:
    parser = reports.arguments(__doc__ or "", rows=4_000, samples=500)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    data = options.data
    del options.data
    # The same rows for both: those that the second tier's heads are trained on.
    rows = sample(first(select(load(data)), ROWS[MINILM.name]), options.rows)
    found = {
        "rows": len(rows),
        "tiers": {tier: measure(rows, options.samples, tier) for tier in TIERS},
    }
    for line in lines(found):
        print(line)
    reports.write("engine_tiers", options, {}, **found)


def measure(rows: list[Row], samples: int, tier: str) -> dict[str, Any]:
    print(f"tier {tier}, {len(rows):,} rows", flush=True)
    scores = score_rows(
        rows, print, tier, beside=False, hidden_texts=HIDDEN, attacks=ATTACKS
    )
    found = {
        "average_precision": precision(rows, scores.ours, CATEGORIES),
        "any_harm": any_harm(rows, scores.ours),
        "identity": identity(rows, scores.ours["Hate"]),
        "hidden": scores.hidden,
        "flagged": flagged(tier),
    }
    return found | {"cost": cost(rows, samples, tier)}


def flagged(tier: str) -> dict[str, dict[str, float]]:
    """The share of the package's ordinary texts in English that reach a severity."""
    _, texts = unrelated_texts()
    english = [one.text for one in texts if one.language in ("en", "")]
    found = {}
    for name, one in harm.heads(tier).items():
        levels = [one.severity(score) for score in one.head.score(english)]
        found[name] = {
            f"at_{at}": round(float(np.mean([level >= at for level in levels])), 4)
            for at in (2, 4, 6)
        }
    return found


def cost(rows: list[Row], samples: int, tier: str) -> dict[str, Any]:
    """CPU time of a text by the built-in categories and ten more, and of a training."""
    own = training_samples(rows, samples)
    began = time.process_time()
    trained = api.train(own, name="own", tier=tier)
    found: dict[str, Any] = {
        "train_cpu_s": round(time.process_time() - began, 2),
        **engine_cost.memory_and_start(tier),
    }
    heads = [one.head for one in harm.heads(tier).values()]
    heads += [artifacts.load(trained.artifact) for _ in range(OWN)]
    plain = " ".join(row.text for row in rows if row.source == "clinc")
    for length in LENGTHS:
        texts = [plain[n * length : (n + 1) * length] for n in range(TEXTS)]
        found[f"ms_{length}"] = engine_cost.milliseconds(
            lambda some: [*analyze(heads, some)], texts
        )
    return found


def training_samples(rows: list[Row], number: int) -> list[api.Sample]:
    """Half of them hateful, half not; what they say is of no matter here."""
    known = sorted(
        (row for row in rows if "Hate" in row.labels),
        key=lambda row: place(row.text, 9),
    )
    random.Random(9).shuffle(known)
    return [
        api.Sample(text=row.text, is_positive=label)
        for label in (True, False)
        for row in [row for row in known if row.labels["Hate"] is label][: number // 2]
    ]


def lines(found: dict[str, Any]) -> list[str]:
    """The table, as it is printed: a column a tier."""
    of = found["tiers"]
    out = [f"{'':44}" + "".join(f"{tier:>10}" for tier in of)]

    def add(name: str, values: list[float]) -> None:
        out.append(f"{name:44}" + "".join(f"{value:10.3f}" for value in values))

    means = [mean_precision(one["average_precision"]) for one in of.values()]
    for name in means[0]:
        add(f"average precision, {name}", [mean[name] for mean in means])
    for source in next(iter(of.values()))["any_harm"]:
        values = [one["any_harm"][source]["average_precision"] for one in of.values()]
        add(f"any harm, {source}", values)
    for kind in next(iter(of.values()))["identity"]:
        for at in ("below_2", "below_4"):
            values = [one["identity"][kind][at] for one in of.values()]
            add(f"{kind}, {at}", values)
    for name, attacks in next(iter(of.values()))["hidden"].items():
        for attack in attacks:
            wholes = [one["hidden"][name]["as it is"] for one in of.values()]
            values = [one["hidden"][name][attack] for one in of.values()]
            if attack != "as it is":
                pairs = zip(values, wholes, strict=True)
                values = [value - whole for value, whole in pairs]
            add(f"{name}, {attack}", values)
    for name in CATEGORIES:
        for at in ("at_2", "at_4", "at_6"):
            add(
                f"flagged, {name}, {at}",
                [one["flagged"][name][at] for one in of.values()],
            )
    for name, value in next(iter(of.values()))["cost"].items():
        if isinstance(value, dict):
            for way in value:
                add(f"{name}, {way}", [one["cost"][name][way] for one in of.values()])
        else:
            add(name, [one["cost"][name] for one in of.values()])
    return out


if __name__ == "__main__":
    main()
