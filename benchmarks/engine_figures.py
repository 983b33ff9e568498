"""The built-in categories' figures as tables of the documentation: heads and rows."""

from __future__ import annotations

from typing import Any

__all__ = ["cost", "hidden", "identity", "precision", "when"]

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
