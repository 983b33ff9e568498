"""The engine's figures as tables of the documentation: heads and rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["TABLES", "Table"]

Table = tuple[list[str], list[list[object]]]

_SOURCES = {
    "ailuminate": "AILuminate prompts",
    "catqa": "CatQA questions",
    "civil": "comments on news",
    "davidson": "tweets",
    "edos": "posts (EDOS)",
    "own": "texts of our own",
    "surge": "posts (Surge)",
    "toxigen": "TOXIGEN",
}
_KINDS = {
    "neutral-identity": "a group is named, no more",
    "positive-identity": "praise of a group",
    "negation": "negated hate",
    "counter-speech": "hate quoted and condemned",
}


def when(report: dict[str, Any]) -> str:
    machine = report["machine"]
    return (
        f"{report['date']}, commit {report['commit']}, {report['rows']:,} rows, "
        f"{machine['cores']} cores ({machine['processor']}), "
        f"Python {machine['python']}, NumPy {machine['numpy']}."
    )


def precision(report: dict[str, Any]) -> Table:
    head = ["category", "unseen source", "texts", "positive", "heads", "TF-IDF + LR"]
    rows: list[list[object]] = []
    for category, sources in report["average_precision"]["ours"].items():
        peers = report["average_precision"]["tfidf"][category]
        for source, of in sources.items():
            rows.append(_row(category, source, of, peers[source]))
    for source, of in report["any_harm"]["ours"].items():
        peer = report["any_harm"]["tfidf"][source]
        rows.append(_row("any of the five", source, of, peer))
    for name, of in report.get("peers", {}).items():
        head.append(name)
        for row in rows:
            source = next((s for s, words in _SOURCES.items() if words == row[1]), "")
            found = of.get(source) if row[0] == "any of the five" else None
            row.append(f"{found['average_precision']:.2f}" if found else "–")
    return head, rows


def _row(category: str, source: str, of: Any, peer: Any) -> list[object]:
    return [
        category,
        _SOURCES[source],
        f"{of['texts']:,}",
        f"{of['positives']:,}",
        f"**{of['average_precision']:.2f}**",
        f"{peer['average_precision']:.2f}",
    ]


def identity(report: dict[str, Any]) -> Table:
    head = ["harmless texts of our own", "texts", "below 2", "below 4"]
    head.append("below 2, TF-IDF + LR")
    ours, tfidf = (report["identity"][name] for name in ("ours", "tfidf"))
    rows: list[list[object]] = [
        [
            words,
            ours[kind]["texts"],
            f"**{ours[kind]['below_2']:.0%}**",
            f"{ours[kind]['below_4']:.0%}",
            f"{tfidf[kind]['below_2']:.0%}",
        ]
        for kind, words in _KINDS.items()
    ]
    return head, rows


def hidden(report: dict[str, Any]) -> Table:
    found = report["hidden"]
    names = {"ailuminate": _SOURCES["ailuminate"], "own 0": _SOURCES["own"]}
    head = ["words are", *(names[name] for name in found)]
    rows: list[list[object]] = []
    for attack in next(iter(found.values())):
        cells = [f"{of[attack] - of['as it is']:+.3f}" for of in found.values()]
        if attack == "as it is":
            cells = [f"{of[attack]:.3f}" for of in found.values()]
        rows.append([attack.replace("_", " "), *cells])
    return head, rows


def cost(report: dict[str, Any]) -> Table:
    of = report["cost"]
    start = of["first_score_s"]
    rows: list[list[object]] = [
        [
            f"a text of {length} characters, CPU ms, alone (in batches of 64)",
            f"{of[f'ms_{length}']['single']:g} ({of[f'ms_{length}']['batch']:g})",
        ]
        for length in (100, 600)
    ]
    rows += [
        ["memory over bare Python, MB", of["memory_mb"]],
        [
            "import to first score, s (CPU s)",
            f"{start:g} ({of['first_score_cpu_s']:g})",
        ],
    ]
    return ["all five categories", "cost"], rows


#: Ways to train a category, in words.
_WAYS = {
    "both": "50 + 50 samples",
    "positives": "50 positives alone",
    "tfidf": "TF-IDF + LR, 50 + 50",
}


def when_drawn(report: dict[str, Any]) -> str:
    seeds = ", ".join(map(str, report["seeds"]))
    machine = report["machine"]
    return (
        f"{report['date']}, commit {report['commit']}, seeds {seeds}, "
        f"Python {machine['python']}, NumPy {machine['numpy']}."
    )


def topics_mean(report: dict[str, Any]) -> Table:
    """The mean over the topics by way, and the deviation of a draw's mean."""
    words = {
        "f1": "F1, unrelated texts among the test",
        "average_precision": "average precision of the same",
        "recall": "recall",
        "near": "false positives, texts of the same source",
        "far": "false positives, texts of other sources",
        "unrelated": "false positives, the package's 309 unrelated texts",
        "gap": "F1, cross-validated less held-out, absolute",
        "error": "expected calibration error",
    }
    ways = report["ways"]
    head = ["mean of nine topics", *(_WAYS[way] for way in ways)]
    rows: list[list[object]] = []
    for name, said in words.items():
        rows.append([said])
        for way, of in ways.items():
            # Scores of positives alone mean something else.
            known = name in of["mean"] and (way != "positives" or name != "error")
            mean, spread = (of[part].get(name) for part in ("mean", "spread"))
            rows[-1].append(f"{mean:.3f} ± {spread:.3f}" if known else "–")
    return head, rows


def topics(report: dict[str, Any]) -> Table:
    """F1 and false positives of each topic."""
    ways = report["ways"]
    head = ["F1 (false positives, other sources)", *(_WAYS[way] for way in ways)]
    rows: list[list[object]] = [
        [
            topic,
            *(
                f"{of['topics'][topic]['f1']:.2f} ({of['topics'][topic]['far']:.1%})"
                for of in ways.values()
            ),
        ]
        for topic in ways["both"]["topics"]
    ]
    return head, rows


def language(report: dict[str, Any]) -> Table:
    """How many texts are taken for English."""
    words = {
        "written 1": "our foreign sentences, written before the words were listed",
        "written 2": "the same, written after",
        "written 3": "the same, written last",
        "unrelated": "foreign ones of the package's unrelated texts",
    }
    rows: list[list[object]] = [
        [words[name], f"{of['texts']:,}", f"{of['supported']:,}"]
        for name, of in report["foreign"].items()
    ]
    rows += [
        [
            f"English: {_ENGLISH.get(name, name)}",
            f"{of['texts']:,}",
            f"{of['supported']:,}",
        ]
        for name, of in report["english"].items()
    ]
    return ["texts", "number", "taken for English"], rows


_ENGLISH = {
    **_SOURCES,
    "sms": "short messages",
    "surge": "posts (Surge), harmless or not",
    "banking": "questions to a bank",
    "clinc": "questions to an assistant",
    "all": "all of these",
}


def _when_measured(report: dict[str, Any]) -> str:
    return f"{report['date']}, commit {report['commit']}."


#: The marked places of the documents: a table, and when it was measured.
TABLES: dict[
    str, tuple[Callable[[dict[str, Any]], Table], Callable[[dict[str, Any]], str]]
] = {
    "engine-precision": (precision, when),
    "engine-identity": (identity, when),
    "engine-hidden": (hidden, when),
    "engine-cost": (cost, when),
    "engine_topics-mean": (topics_mean, when_drawn),
    "engine_topics-each": (topics, when_drawn),
    "engine_language-texts": (language, _when_measured),
}
