"""Measure categories that a site trains itself: what 50 + 50 samples are worth.

``python -m benchmarks.engine_topics --data FOLDER`` needs the data that NOTICE names.
The texts of a topic's test are none of its samples, and the ordinary texts that every
category is trained against lose the sources that the test is made of.
"""

from __future__ import annotations

import inspect
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from django_contentsafety.engine import api, artifacts, background, classifier
from django_contentsafety.engine.features import Features
from django_contentsafety.engine.reliability import measure_reliability
from django_contentsafety.engine.samples import Sample

from . import engine_peers, reports
from .engine_topic_texts import ORDINARY, Topic, ordinary_texts, read_topics

#: Texts of a test: of the topic, of its source, and of others that are unrelated.
POSITIVE, NEAR, FAR = 300, 500, 500
#: The seed of the first draw; the next ones follow it. The seeds of published figures:
#: whoever tries out settings takes others.
SEED = 48_100
THRESHOLD = 0.5
WAYS = ("both", "positives", "tfidf")


def main() -> None:
    parser = reports.arguments(__doc__ or "", draws=3, samples=50, seed=SEED)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--tier", default="fast")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    options = parser.parse_args()
    data = options.data
    del options.data
    topics = read_topics(data)
    runs = []
    for seed in range(options.seed, options.seed + options.draws):
        print(f"seed {seed}", flush=True)
        for topic in topics:
            draw = make_draw(topic, data, seed, options.samples)
            runs += [measure(way, draw, options.tier) for way in options.ways]
    found = summary(runs)
    for line in lines(found):
        print(line)
    tier = "" if options.tier == "fast" else f"_{options.tier}"
    reports.write(f"engine_topics{tier}", options, {}, **found)


@dataclass(frozen=True, slots=True)
class Draw:
    """Samples and test texts of a topic, and the sources that its test is made of."""

    topic: Topic
    seed: int
    positives: list[str]
    negatives: list[str]
    test: list[str]
    kinds: list[str]  # of each text of the test: positive, near, far
    denied: frozenset[str]


def make_draw(topic: Topic, folder: Path, seed: int, samples: int) -> Draw:
    """Samples and test of a seed: the same each time, and different texts."""
    chance = random.Random(f"{seed} {topic.name}")
    positives = chance.sample(
        topic.positives, min(samples + POSITIVE, len(topic.positives))
    )
    near = chance.sample(topic.near, samples + NEAR)
    # Texts that no background holds, and one or two sources of the background's.
    others = [one for one in ("sms", "surge") if one != topic.source]
    rest = [one for one in ORDINARY if one not in (*others, topic.source)]
    others += chance.sample(rest, 3 - len(others))
    far = []
    for number, source in enumerate(others):
        size = FAR * (number + 1) // 3 - FAR * number // 3
        far += chance.sample(ordinary_texts(folder, source, topic), size)
    kinds = {
        "positive": positives[samples:],
        "near": near[samples:],
        "far": far,
    }
    return Draw(
        topic=topic,
        seed=seed,
        positives=positives[:samples],
        negatives=near[:samples],
        test=[text for texts in kinds.values() for text in texts],
        kinds=[kind for kind, texts in kinds.items() for _ in texts],
        denied=frozenset((topic.source, *others)),
    )


def measure(way: str, draw: Draw, tier: str) -> dict[str, Any]:
    """What one way of training makes of a draw."""
    began = time.process_time()
    if way == "tfidf":
        scores, card = _tfidf(draw), None
    else:
        samples = [Sample(text=text, is_positive=True) for text in draw.positives]
        if way == "both":
            samples += [Sample(text=text, is_positive=False) for text in draw.negatives]
        with without(draw.denied):
            trained = api.train(samples, name="topic", **_of_tier(tier))
        took = time.process_time() - began
        card = trained.card
        scores = np.array(artifacts.load(trained.artifact).score(draw.test))
    found = {
        "topic": draw.topic.name,
        "seed": draw.seed,
        "way": way,
        "far_sources": sorted(draw.denied - {draw.topic.source}),
        **figures(draw.kinds, scores),
    }
    if card:
        found["train_cpu_s"] = took
        # As it ships, with all of its background.
        whole = api.train(samples, name="topic", **_of_tier(tier))
        found["unrelated"] = whole.card.unrelated.rate
    if card and card.metrics.f1 is not None:
        found["cv_f1"] = card.metrics.f1
        found["gap"] = abs(card.metrics.f1 - found["f1_even"])
        found["card_error"] = card.reliability.error
    return found


def _of_tier(tier: str) -> dict[str, Any]:
    if "tier" in inspect.signature(api.train).parameters:
        return {"tier": tier}
    if tier != "fast":
        raise SystemExit("The engine has one tier: fast.")
    return {}


def _tfidf(draw: Draw) -> Any:
    texts = [*draw.positives, *draw.negatives]
    labels = np.repeat([1, 0], [len(draw.positives), len(draw.negatives)])
    vectors = engine_peers.tfidf(texts)
    model = engine_peers.regression(
        vectors.transform(texts), labels, np.ones(len(texts))
    )
    return model.predict_proba(vectors.transform(draw.test))[:, 1]


def figures(kinds: Sequence[str], scores: Any) -> dict[str, float]:
    """The figures of a test.

    `f1` and `average_precision` are of all texts, `roc_auc` of the topic's own source;
    `f1_even` and `error`, the expected calibration error, are too, as if it held as
    many positives as negatives: that is what samples and scores are made for.
    """
    of = {kind: scores[np.array(kinds) == kind] for kind in ("positive", "near", "far")}
    flagged = {kind: float((mine >= THRESHOLD).mean()) for kind, mine in of.items()}
    count = {kind: len(mine) for kind, mine in of.items()}
    recall = flagged["positive"]
    wrong = sum(flagged[kind] * count[kind] for kind in ("near", "far"))
    labels = np.array(kinds) == "positive"
    own = np.array(kinds) != "far"
    return {
        "f1": 2 * recall / (recall + 1 + wrong / count["positive"]),
        "f1_even": 2 * recall / (recall + 1 + flagged["near"]),
        "average_precision": float(average_precision_score(labels, scores)),
        "roc_auc": float(roc_auc_score(labels[own], scores[own])),
        "recall": recall,
        "near": flagged["near"],
        "far": flagged["far"],
        "error": float(
            measure_reliability(
                labels[own].tolist(), np.clip(scores[own], 0, 1).tolist()
            ).error
            or 0.0
        ),
    }


@contextmanager
def without(denied: frozenset[str]) -> Iterator[None]:
    """Train against a background that lacks these sources."""
    # As training knows it: each module that uses it has a name for it.
    whole = classifier.load_background

    def load(*args: Any, **kwargs: Any) -> background.Background:
        return deny(whole(*args, **kwargs), denied)

    users = [
        module
        for name, module in [*sys.modules.items()]
        if name.startswith(background.__package__ + ".")
        and getattr(module, "load_background", None) is whole
    ]
    for module in users:
        module.load_background = load  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in users:
            module.load_background = whole  # type: ignore[attr-defined]


def deny(whole: background.Background, denied: frozenset[str]) -> background.Background:
    """The rows of the other sources."""
    names = np.array(background.SOURCES)[whole.sources]
    kept = np.flatnonzero(~np.isin(names, [*denied]))
    rows = [whole.features.row(int(number)) for number in kept]
    features = Features(
        starts=np.concatenate(([0], np.cumsum([len(indices) for indices, _ in rows]))),
        indices=np.concatenate([indices for indices, _ in rows]),
        values=np.concatenate([values for _, values in rows]),
        dense=whole.features.dense[kept],
    )
    return replace(whole, features=features, sources=whole.sources[kept])


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each way: the mean of each topic, and of the topics' means, with their spread.

    The spread is the standard deviation of a draw's mean over the topics.
    """
    found: dict[str, Any] = {"seeds": sorted({run["seed"] for run in runs}), "ways": {}}
    for way in dict.fromkeys(run["way"] for run in runs):
        mine = [run for run in runs if run["way"] == way]
        names = [name for name, value in mine[0].items() if isinstance(value, float)]

        def mean(name: str, some: list[dict[str, Any]]) -> float:
            return float(np.mean([run[name] for run in some]))

        draws = [
            [run for run in mine if run["seed"] == seed] for seed in found["seeds"]
        ]
        found["ways"][way] = {
            "mean": {name: round(mean(name, mine), 4) for name in names},
            "spread": {
                name: round(float(np.std([mean(name, draw) for draw in draws])), 4)
                for name in names
            },
            "topics": {
                topic: {
                    name: round(mean(name, [r for r in mine if r["topic"] == topic]), 4)
                    for name in names
                }
                for topic in dict.fromkeys(run["topic"] for run in mine)
            },
        }
    return found


def lines(found: dict[str, Any]) -> list[str]:
    """The table, as it is printed."""
    names = ["f1", "average_precision", "recall", "near", "far", "unrelated"]
    names += ["cv_f1", "f1_even", "gap", "error", "train_cpu_s"]
    out = [f"seeds {found['seeds']}"]
    for way, of in found["ways"].items():
        out.append(f"{way:38}" + "".join(f"{name[:9]:>10}" for name in names))
        rows = {**of["topics"], "MEAN": of["mean"], "spread": of["spread"]}
        for topic, row in rows.items():
            cells = (f"{row[n]:10.3f}" if n in row else f"{'':10}" for n in names)
            out.append(f"{topic:38}" + "".join(cells))
    return out


if __name__ == "__main__":
    main()
