"""The engine in two calls, for those who have no Django project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from . import artifacts
from .errors import EngineError
from .language import is_supported
from .samples import Sample

if TYPE_CHECKING:
    from .cards import Card
    from .classifier import Progress
    from .head import Head

__all__ = ["Trained", "score", "train"]

#: A text is explained from this score on; below it an explanation would be noise.
EXPLAIN_FROM = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A category's artifact, which `score` takes, and what is known of its errors."""

    artifact: bytes
    card: Card


def train(
    samples: Iterable[Sample],
    *,
    name: str,
    version: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> Trained:
    """Train a category from samples of both labels, or of positives alone.

    Raise TrainingError for samples that cannot make one, MissingDependency without
    scikit-learn. The same samples in the same order give the same bytes.
    """
    from .classifier import train as train_head

    trained = train_head(list(samples), seed=seed, progress=progress)
    return Trained(
        artifact=artifacts.dump(trained.head, name=name, version=version),
        card=trained.card,
    )


def score(
    texts: Iterable[str], *, categories: Sequence[bytes] = (), at_once: int = 64
) -> Iterator[dict[str, Any]]:
    """Yield what the heads say of each text, in order, reading as it goes.

    Each is a dict: `scores` by category, 0..1; `severities`, 0..7, of the built-in
    categories; `language_supported`, whether the text is in the built-in categories'
    language; `spans` with start, end (code points of the text), category and weight,
    for the categories that score 0.2 or more. `categories` are artifacts; two of one
    name are refused. Raise ArtifactError for one that cannot be read. So many texts
    are read before the first is answered as `at_once` says.

    The built-in categories come with a later release: until then only the given ones
    are answered, and `severities` is empty.
    """
    return _score(iter(texts), _heads(categories), at_once)


def _heads(categories: Sequence[bytes]) -> dict[str, Head]:
    heads: dict[str, Head] = {}
    for data in categories:
        name = artifacts.describe(data)["name"]
        if name in heads:
            raise EngineError(
                f"Two of the categories are named {name}.",
                remedy="Leave one of them out.",
                code="name_twice",
            )
        heads[name] = artifacts.load(data)
    return heads


def _score(
    texts: Iterator[str], heads: dict[str, Head], at_once: int
) -> Iterator[dict[str, Any]]:
    from .scoring import analyze

    while some := list(islice(texts, at_once)):
        results: Iterable[Any] = analyze(list(heads.values()), some) if heads else ()
        rows = list(results) or [[] for _ in some]
        for text, found in zip(some, rows, strict=True):
            scores = dict(zip(heads, (one.score for one in found), strict=True))
            yield {
                "scores": {name: round(value, 6) for name, value in scores.items()},
                "severities": {},
                "language_supported": is_supported(text),
                "spans": [
                    {
                        "start": token.start,
                        "end": token.end,
                        "category": name,
                        "weight": round(token.weight, 4),
                    }
                    for name, head in heads.items()
                    if scores[name] >= EXPLAIN_FROM
                    for token in head.explain(text)
                ],
            }
