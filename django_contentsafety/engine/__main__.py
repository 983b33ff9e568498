"""Train a category and score texts, from a shell and without Django."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from .api import Trained, score, train
from .errors import EngineError, SampleError
from .progress import Bar
from .samples import Sample
from .samples_csv import parse_samples
from .tiers import FAST, TIERS

__all__ = ["main"]

# Bytes of a line of texts.
_MAX_LINE = 10_000_000


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return 0, or 1 with a sentence on stderr, 2 for bad usage."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read the scores has enough; the flush at exit must not complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        name = error.filename or "a file"
        print(f"error: {name}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m django_contentsafety.engine", description=__doc__
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    training = commands.add_parser("train", help="train a category from samples")
    training.add_argument(
        "samples", type=Path, help='JSONL of {"text": "…", "isPositive": true}, or CSV'
    )
    training.add_argument("--name", required=True, help="the category's name")
    training.add_argument(
        "-o", "--output", type=Path, required=True, help="where the category goes"
    )
    training.add_argument("--json", action="store_true", help="print the card as JSON")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument(
        "--definition", default="", help="in English: it helps where samples are few"
    )
    training.set_defaults(run=_train)
    scoring = commands.add_parser(
        "score", help='score one {"text": "…"} a line, from stdin to stdout'
    )
    scoring.add_argument(
        "--category",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="what train wrote; may be given several times",
    )
    for command in (training, scoring):
        command.add_argument(
            "--tier",
            choices=TIERS,
            default=FAST.name,
            help="minilm asks an encoder: better and slower; a category is scored on "
            "the tier that it was trained for",
        )
    scoring.set_defaults(run=_score)
    return parser


def _train(options: argparse.Namespace) -> None:
    samples = _read_samples(options.samples)
    with Bar(sys.stderr) as bar:
        trained = train(
            samples,
            name=options.name,
            definition=options.definition,
            seed=options.seed,
            tier=options.tier,
            progress=lambda phase, share: bar.show(share, phase),
        )
    options.output.write_bytes(trained.artifact)
    if options.json:
        print(json.dumps(trained.card.as_dict(), allow_nan=False))  # noqa: T201
    else:
        print(_card(options.name, trained))  # noqa: T201


def _read_samples(path: Path) -> list[Sample]:
    data = path.read_bytes()
    parsed = parse_samples(data)
    if parsed.errors:
        raise EngineError(
            "\n  ".join(["The samples can't be used:", *map(str, parsed.errors)]),
            code="samples",
        )
    return [sample for _, sample in parsed.samples]


def _card(name: str, trained: Trained) -> str:
    card = trained.card
    lines = [
        f"{name}: {card.positives} positive and {card.negatives} negative samples, "
        f"{len(trained.artifact):,} bytes",
        f"  {card.method}",
    ]
    for metric in ("precision", "recall", "f1", "roc_auc", "average_precision"):
        value = getattr(card.metrics, metric)
        interval = getattr(card.metrics, f"{metric}_interval")
        shown = "unknown" if value is None else f"{value:.3f}"
        if value is not None and interval is not None:
            shown += f"  ({interval.low:.3f} to {interval.high:.3f})"
        lines.append(f"  {metric.replace('_', ' '):18}{shown}")
    lines.append(
        f"  ordinary texts flagged: {card.unrelated.false_positives} of "
        f"{card.unrelated.count}"
    )
    lines += [f"  ! {warning}" for warning in card.warnings]
    return "\n".join(lines)


def _score(options: argparse.Namespace) -> None:
    categories = [path.read_bytes() for path in options.category]
    source, target = sys.stdin.buffer, sys.stdout
    with Bar(sys.stderr) as bar:
        # Whoever writes into a pipe may wait for the answer to a line.
        at_once = 64 if _size(source) else 1
        texts = _texts(source, bar)
        found = score(texts, categories=categories, at_once=at_once, tier=options.tier)
        _write(found, target)


def _texts(source: BinaryIO, bar: Bar) -> Iterator[str]:
    size = _size(source)
    seen = 0
    for number, line in enumerate(iter(lambda: source.readline(_MAX_LINE), b""), 1):
        seen += len(line)
        if line.strip():
            yield _text(line, number)
        if size:
            bar.show(seen / size, f"{number:,} texts")
        else:
            bar.count(number)


def _text(line: bytes, number: int) -> str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    text = row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str):
        raise SampleError(
            "The line is no JSON object with a text.",
            line=number,
            remedy='Write {"text": "…"} on a line of its own.',
            code="no_text",
        )
    return text


def _size(source: BinaryIO) -> int:
    """Bytes of a file; 0 for a pipe, which has no end to speak of."""
    try:
        return os.fstat(source.fileno()).st_size
    except (OSError, ValueError):
        return 0


def _write(results: Iterator[dict[str, Any]], target: TextIO) -> None:
    for result in results:
        target.write(json.dumps(result, allow_nan=False) + "\n")
        target.flush()


if __name__ == "__main__":
    sys.exit(main())
