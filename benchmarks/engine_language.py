"""Count the texts whose language is mistaken: English ones, and all others.

``python -m benchmarks.engine_language --data FOLDER`` needs the data that NOTICE names
for the English texts. The others are `foreign.jsonl`, sentences of our own in 67
languages; `written` says when: 1 before the lists of words, 2 and 3 after them, and 3
after everything was set.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django_contentsafety.engine.language import is_supported
from django_contentsafety.engine.unrelated import unrelated_texts
from tools.train_harm import sources
from tools.train_harm.rows import place

from . import reports
from .engine_attacks import ATTACKS, HELD_OUT, attacked

FOREIGN = Path(__file__).with_name("foreign.jsonl")
#: Sources of English texts. Templates and word lists are no texts.
SOURCES = ("sms", "davidson", "edos", "civil", "surge", "banking", "clinc", "toxigen")
#: Texts that are disguised.
DISGUISED = 2_000


def main() -> None:
    parser = reports.arguments(__doc__ or "", each=2_500)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    english = {}
    for source in SOURCES:
        texts = {row.text for row in getattr(sources, source)(options.data)}
        english[source] = sorted(texts, key=lambda text: place(text, 9))[: options.each]
    del options.data
    found = {"english": {name: count(of) for name, of in english.items()}}
    found["english"]["all"] = count([text for of in english.values() for text in of])
    found["foreign"] = foreign()
    known = sorted(
        (text for of in english.values() for text in of if is_supported(text)),
        key=lambda text: place(text, 10),
    )[:DISGUISED]
    found["disguised"] = {
        attack.__name__: count(attacked(attack, known))
        for attack in (*ATTACKS, *HELD_OUT)
    }
    for kind, of in found.items():
        for name, row in of.items():
            print(f"{kind + ', ' + name:28} {row['supported']:6} of {row['texts']}")
    reports.write("engine_language", options, {}, **found)


def count(texts: list[str]) -> dict[str, int]:
    """How many there are, and how many are taken for English."""
    return {"texts": len(texts), "supported": sum(map(is_supported, texts))}


def foreign() -> dict[str, dict[str, int]]:
    """Our sentences by when they were written, and the package's unrelated texts."""
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in FOREIGN.read_text("utf-8").splitlines()
    ]
    others = [one for one in unrelated_texts()[1] if one.language not in ("", "en")]
    return {
        **{
            f"written {number}": count(
                [row["text"] for row in rows if row["written"] == number]
            )
            for number in (1, 2, 3)
        },
        "unrelated": count([one.text for one in others]),
    }


if __name__ == "__main__":
    main()
