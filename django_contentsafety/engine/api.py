"""The engine in two calls, for those who have no Django project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from . import artifacts, harm
from .errors import EngineError
from .explanations import EXPLAIN_FROM, EXPLAIN_FROM_SEVERITY
from .language import is_supported
from .samples import Sample
from .tiers import FAST

if TYPE_CHECKING:
    from .cards import Card
    from .classifier import Progress
    from .harm import HarmHead
    from .head import Head, TextScore

__all__ = ["Trained", "score", "train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A category's artifact, which `score` takes, and what is known of its errors."""

    artifact: bytes
    card: Card


def train(
    samples: Iterable[Sample],
    *,
    name: str,
    definition: str = "",
    version: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
    tier: str = FAST.name,
) -> Trained:
    """Train a category from samples of both labels, or of positives alone.

    Its `definition`, in English, helps where samples are few.
    Raise TrainingError for samples that cannot make one, MissingDependency without
    scikit-learn. The same samples in the same order give the same bytes. `tier` is
    "fast" or "minilm", which asks an encoder: better, and some ten times slower. A
    category is scored on the tier that it was trained for.
    """
    from .classifier import train as train_head

    trained = train_head(
        list(samples), definition=definition, seed=seed, progress=progress, tier=tier
    )
    return Trained(
        artifact=artifacts.dump(trained.head, name=name, version=version),
        card=trained.card,
    )


def score(
    texts: Iterable[str],
    *,
    categories: Sequence[bytes] = (),
    at_once: int = 64,
    tier: str = FAST.name,
) -> Iterator[dict[str, Any]]:
    """Yield what the heads say of each text, in order, reading as it goes.

    Each is a dict: `scores`, 0..1, and `severities`, 0..7, of the five built-in
    categories, and the `scores` of the given ones; `language_supported`, whether the
    text seems to be English, without which the built-in categories' answers mean
    nothing; `spans` with start, end (code points of the text), category and weight, for
    given categories that score 0.2 or more, and for built-in ones from severity 2 where
    the language is supported. `categories` are artifacts; two of one name are refused,
    a built-in one's too. Raise ArtifactError for one that cannot be read, or was
    trained for another `tier`. So many texts are read before the first is answered as
    `at_once` says.
    """
    return _score(iter(texts), _heads(categories, tier), at_once, harm.heads(tier))


def _heads(categories: Sequence[bytes], tier: str) -> dict[str, Head]:
    heads = {name: built_in.head for name, built_in in harm.heads(tier).items()}
    for data in categories:
        name = artifacts.describe(data)["name"]
        if name in harm.CATEGORIES:
            raise EngineError(
                f"{name} is the name of a built-in category.",
                remedy="Train the category under another name.",
                code="name_built_in",
            )
        if name in heads:
            raise EngineError(
                f"Two of the categories are named {name}.",
                remedy="Leave one of them out.",
                code="name_twice",
            )
        heads[name] = artifacts.load(data, tier=tier)
    return heads


def _score(
    texts: Iterator[str],
    heads: dict[str, Head],
    at_once: int,
    built_in: Mapping[str, HarmHead],
) -> Iterator[dict[str, Any]]:
    from .scoring import analyze

    while some := list(islice(texts, at_once)):
        # One pass over the words serves every head.
        for text, found in zip(some, analyze([*heads.values()], some), strict=True):
            yield _answer(text, heads, dict(zip(heads, found, strict=True)), built_in)


def _answer(
    text: str,
    heads: dict[str, Head],
    found: dict[str, TextScore],
    built_in: Mapping[str, HarmHead],
) -> dict[str, Any]:
    severities = {
        name: one.severity(found[name].score) for name, one in built_in.items()
    }
    supported = is_supported(text)

    def is_worth_explaining(name: str) -> bool:
        if name in severities:
            return supported and severities[name] >= EXPLAIN_FROM_SEVERITY
        return found[name].score >= EXPLAIN_FROM

    return {
        "scores": {name: round(one.score, 6) for name, one in found.items()},
        "severities": severities,
        "language_supported": supported,
        "spans": [
            {
                "start": token.start,
                "end": token.end,
                "category": name,
                "weight": round(token.weight, 4),
            }
            for name, head in heads.items()
            if is_worth_explaining(name)
            for token in head.explain(text, found=found[name])
        ],
    }
