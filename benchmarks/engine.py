"""Measure the built-in categories beside what one may use instead.

``python -m benchmarks.engine --data FOLDER`` needs the data that NOTICE names. A head
is measured on sources that it wasn't trained on; those that ship have seen all.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from django_contentsafety.engine import harm
from tools.train_harm.rows import CATEGORIES, Row, place
from tools.train_harm.selection import select
from tools.train_harm.sources import load

from . import engine_cost, engine_peers, reports
from .engine_scores import FOUR, any_harm, identity, precision, score_rows

#: Texts of the demonstration whose speed is measured: CLINC's, joined to this length.
LENGTHS = (100, 600)


def main() -> None:
    parser = reports.arguments(__doc__ or "", rows=9_000)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--peers", type=Path, metavar="PYTHON")
    options = parser.parse_args()
    data, peers = options.data, options.peers
    del options.data, options.peers
    rows = sample(select(load(data)), options.rows)
    print(f"{len(rows):,} rows")
    found = measure(rows, peers)
    for line in lines(found):
        print(line)
    reports.write("engine", options, {}, **found)


def sample(rows: list[Row], number: int) -> list[Row]:
    """About as many: a third our own, of each other source the same at most.

    The order is that of the texts alone.
    """
    left: Counter[str] = Counter()
    kept = []
    for row in sorted(rows, key=lambda row: place(row.text, 3)):
        source = row.source.split(":")[0]
        left[source] += 1
        if left[source] <= number // (3 if source == "own" else 15):
            kept.append(row)
    return kept


def measure(rows: list[Row], peers: Path | None) -> dict[str, Any]:
    scores = score_rows(rows, print)
    found: dict[str, Any] = {
        "rows": len(rows),
        "average_precision": {
            "ours": precision(rows, scores.ours, CATEGORIES),
            "tfidf": precision(rows, scores.tfidf, CATEGORIES),
        },
        "any_harm": {
            "ours": any_harm(rows, scores.ours),
            "tfidf": any_harm(rows, scores.tfidf, calibrated=False),
        },
        "identity": {
            "ours": identity(rows, scores.ours["Hate"]),
            "tfidf": identity(rows, scores.tfidf["Hate"]),
        },
        "hidden": scores.hidden,
        "cost": cost(rows),
    }
    if peers:
        found["peers"] = {
            name: beside(rows, name, peers) for name in engine_peers.PEERS
        }
    return found


def beside(rows: list[Row], name: str, python: Path) -> dict[str, Any]:
    """A peer's average precision of any harm, on as many texts as it managed."""
    mine = [
        row
        for row in rows
        if row.source in ("surge", "ailuminate", "davidson")
        and (any(row.labels.values()) or len(row.labels) == len(CATEGORIES))
    ]
    scores = engine_peers.ask(name, python, [row.text for row in mine])
    found: dict[str, Any] = {"asked": len(mine), "answered": len(scores)}
    for source in ("surge", "davidson", "ailuminate"):
        pairs = [
            (any(row.labels.values()), score)
            for row, score in zip(mine, scores, strict=False)
            if row.source == source
        ]
        if len({label for label, _ in pairs}) == 2:
            labels, values = zip(*pairs, strict=True)
            found[source] = {
                "positives": sum(labels),
                "texts": len(pairs),
                "average_precision": round(
                    float(average_precision_score(labels, values)), 4
                ),
            }
    return found


def cost(rows: list[Row]) -> dict[str, Any]:
    heads = list(harm.heads().values())

    def score(texts: Any) -> Any:
        return [one.head.score(texts) for one in heads]

    plain = " ".join(row.text for row in rows if row.source == "clinc")
    found: dict[str, Any] = engine_cost.memory_and_start()
    for length in LENGTHS:
        texts = [plain[n * length : (n + 1) * length] for n in range(192)]
        found[f"ms_{length}"] = engine_cost.milliseconds(score, texts)
    return found


def mean_precision(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """Of each category the mean of its sources, and of the four categories the mean."""
    means = {
        category: float(np.mean([of["average_precision"] for of in sources.values()]))
        for category, sources in found.items()
    }
    means["mean of the four"] = float(np.mean([means[c] for c in FOUR if c in means]))
    return means


def lines(found: dict[str, Any]) -> list[str]:
    """The table, as it is printed."""
    ours, tfidf = (
        mean_precision(found["average_precision"][name]) for name in ("ours", "tfidf")
    )
    out = [f"{'average precision, source unseen':34}   ours  tf-idf"]
    out += [
        f"{name:34} {ours[name]:6.3f} {tfidf.get(name, np.nan):7.3f}" for name in ours
    ]
    for source, of in found["any_harm"]["ours"].items():
        peer = found["any_harm"]["tfidf"][source]["average_precision"]
        out.append(
            f"{'any harm, ' + source:34} {of['average_precision']:6.3f} {peer:7.3f}"
            f"   N={of['texts']}, {of['positives']} positive"
        )
    for name, peer in found.get("peers", {}).items():
        for source in ("surge", "davidson", "ailuminate"):
            if source in peer:
                value = peer[source]["average_precision"]
                out.append(f"{name + ', any harm, ' + source:34} {value:6.3f}")
    for kind, of in found["identity"]["ours"].items():
        peer = found["identity"]["tfidf"][kind]["below_2"]
        out.append(
            f"{kind + ' below severity 2 (4)':34} {of['below_2']:6.3f} "
            f"({of['below_4']:.3f}) tf-idf {peer:.3f}   N={of['texts']}"
        )
    for name, of in found["hidden"].items():
        whole = of["as it is"]
        for attack, value in of.items():
            out.append(f"{name + ', ' + attack:34} {value:6.3f} {value - whole:+7.3f}")
    out += [f"{name:34} {value}" for name, value in found["cost"].items()]
    return out


if __name__ == "__main__":
    main()
