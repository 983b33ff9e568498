"""Copy the figures of ``reports/*.json`` into the marked places of the documents.

A place is ``<!-- figures: NAME -->`` … ``<!-- end -->``. A test fails where a document
and a report differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from . import engine_figures, engine_tier_figures
from .reports import REPORTS, ROOT

PLACE = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end -->)", re.S)
Block = Callable[[dict[str, Any]], list[str]]
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}


def main() -> None:
    for document in documents():
        text = document.read_text(encoding="utf-8")
        new = filled(text)
        if new != text:
            document.write_text(new, encoding="utf-8")
            print(f"Wrote {document.relative_to(ROOT)}.")


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text: str) -> str:
    """The document with the figures as the reports have them."""
    return PLACE.sub(lambda place: f"{place[1]}{_block(place[2])}{place[3]}", text)


def _block(name: str) -> str:
    program = name.split("-")[0]
    report = json.loads((REPORTS / f"{program}.json").read_text(encoding="utf-8"))
    return "\n" + "\n".join(BLOCKS[name](report)) + "\n\n"


def _when(report: dict[str, Any]) -> str:
    """When and where it was measured; not all databases need be of one day."""
    runs: dict[str, list[str]] = {}
    for name, of in report["databases"].items():
        run = {**report, **of}
        machine = run["machine"]
        where = (
            f"{run['date']}, {machine['cores']} cores ({machine['processor']}), "
            f"Python {machine['python']}, Django {machine['django']}"
        )
        server = f"{NAMES[name]} {_number(of['server'])}{_cache(of)}"
        runs.setdefault(where, []).append(server)
    return (
        "; ".join(f"{where}, {', '.join(servers)}" for where, servers in runs.items())
        + "."
    )


def _cache(of: dict[str, Any]) -> str:
    found = of.get("cache_mb")
    return f" ({found:,} MB for pages)" if found else ""


def _number(server: str) -> str:
    found = re.search(r"\d+(\.\d+)+", server)
    return found[0] if found else server


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


def _range(of: dict[str, float]) -> str:
    return f"{of['median']:g} ({of['min']:g}–{of['max']:g})"


def saves(report: dict[str, Any]) -> list[str]:
    of = report["databases"]
    rows = [
        [
            f"{kind}, {words}",
            *(_range(of[name]["ratio_to_bare"][kind][model]) for name in of),
        ]
        for kind in next(iter(of.values()))["ratio_to_bare"]
        for model, words in (
            ("moderated", "moderated"),
            ("history", "django-simple-history"),
        )
    ]
    bare = [
        [
            f"{kind}, bare, ms",
            *(f"{of[name]['bare_ms'][kind]['median']:g}" for name in of),
        ]
        for kind in next(iter(of.values()))["bare_ms"]
    ]
    head = ["a save", *(NAMES[name] for name in of)]
    return [*_table(head, [*rows, *bare]), "", _when(report)]


def throughput(report: dict[str, Any]) -> list[str]:
    (of,) = report["databases"].values()
    rates, ratios = of["a_second"], of["texts_over_tasks"]
    rows = [
        [n, _range(rates["texts"][n]), _range(rates["tasks"][n]), _range(ratios[n])]
        for n in ratios
    ]
    head = ["worker processes", "texts a second", "empty tasks a second", "ratio"]
    grown = of["most_over_one"]
    return [
        *_table(head, rows),
        "",
        f"A second process: {_range(grown['texts'])} times the texts, "
        f"{_range(grown['tasks'])} times the empty tasks.",
        "",
        _when(report),
    ]


#: What a broker can be.
TROUBLES = {
    "answers": "answers",
    "refuses": "refuses connections",
    "silent": "takes connections and is silent",
    "drip": "sends a byte now and then",
    "full": "lets no connection come about",
}


def wakes(report: dict[str, Any]) -> list[str]:
    (of,) = report["databases"].values()
    names = {"redis": "Redis", "amqp": "RabbitMQ"}
    rows = [
        [
            f"{names[scheme]} {TROUBLES[trouble]}",
            *(f"{at[key]:g}" for key in ("slowest_ms", "second_slowest_ms")),
            f"{at['median_ms']:g}",
            f"{at['callbacks_run']} of {at['saves']}",
        ]
        for scheme, found in of["brokers"].items()
        for trouble, at in found.items()
    ]
    head = ["the broker", "slowest save, ms", "second slowest, ms", "median, ms"]
    return [*_table([*head, "other apps' callbacks"], rows), "", _when(report)]


def quota(report: dict[str, Any]) -> list[str]:
    rows = [
        [
            NAMES[name],
            limit,
            of["granted"],
            of["granted_a_second"],
            f"{of['most_in_any_second']} of {of['promised_in_any_second']}",
            of["broken"],
        ]
        for name, found in report["databases"].items()
        for limit, of in found["limits"].items()
    ]
    head = ["database", "limit", "granted", "a second after the burst"]
    head += ["most in any second, of promised", "stretches with more than promised"]
    return [*_table(head, rows), "", _when(report)]


#: What is asked of long tables, in words.
WORDS = {
    "claim": "claim 50 texts",
    "free_leases": "sweep: free what dead workers held",
    "exhaust_old": "sweep: what waited too long",
    "reconcile_step": "sweep: reconcile 500 objects",
    "orphans_step": "sweep: look for 500 objects that are gone",
    "purge_a_day": "purge a day (5,000 results)",
    "check": "`contentsafety_check`, all of it",
    "first_page": "`visible()`, a page of 50",
    "first_page_uncovered": "the same while coverage is incomplete",
    "far_page": "`visible()`, page 1,000 by offset",
    "far_page_by_key": "page 1,000 by key",
    "admin_all": "admin: the list of moderations",
    "admin_held": "admin: the cases held for review",
    "admin_exhausted": "admin: what could not be checked",
    "count": "`visible().count()`",
    "would_have_hidden": "“would have hidden”, before going live",
}


def _questions(report: dict[str, Any], shape: str, only: Iterable[str]) -> list[str]:
    lines: list[str] = []
    of = report["databases"]
    sizes = {name: list(found[shape]["claim"]["ms"]) for name, found in of.items()}
    head = ["milliseconds"]
    head += [f"{NAMES[name]} {int(size):,}" for name in of for size in (sizes[name])]
    rows = [
        [
            WORDS[question],
            *(
                f"{of[name][shape][question]['ms'][size]:.3g}"
                if of[name][shape][question]["ms"][size] < 1000
                else f"{of[name][shape][question]['ms'][size]:,.0f}"
                for name in of
                for size in sizes[name]
            ),
        ]
        for question in next(iter(of.values()))[shape]
        if question in only
    ]
    return [*lines, *_table(head, rows), "", _when(report)]


def tables(report: dict[str, Any]) -> list[str]:
    return _questions(report, "history", set(WORDS) - {*SLOW})


#: What no index makes flat.
SLOW = ("count", "far_page", "far_page_by_key", "would_have_hidden")


def tables_slow(report: dict[str, Any]) -> list[str]:
    return _questions(report, "history", SLOW)


def tables_round(report: dict[str, Any]) -> list[str]:
    return _questions(report, "round", WORDS)


def rounds(report: dict[str, Any]) -> list[str]:
    (of,) = report["databases"].values()
    again, first = of["round"], of["first_day"]
    return [
        f"- A round: {again['put_up']:,} texts analyzed again while "
        f"{again['observations']:,} observations of {again['visible_at_first']:,} "
        f"visible ones were made: **{again['hidden']} hidden**; of "
        f"{again['by_persons']:,} decisions of persons **{again['persons_changed']} "
        "changed**.",
        f"- A first day: {first['rows']:,} old texts, {first['observations']:,} "
        f"observations: **{first['hidden']} hidden before all were judged**; "
        f"in the end {first['hidden_in_the_end']:,} were hidden, and "
        f"{first['decided_against']:,} decided against.",
        "",
        _when(report),
    ]


#: What a storm is judged by, in words; with how many of what.
JUDGED = {
    "lost": "lost",
    "stale": "stale",
    "double_actions": "double",
    "rolled_back_moderated": "rolled back",
    "errors_to_users": "errors to users",
    "shown_bad": "shown",
}


def chaos(report: dict[str, Any]) -> list[str]:
    """``tests.chaos`` wrote it: its shape is another than these programs' own."""
    storms = report["scenarios"].values()
    naive = [storm["naive_control"] for storm in storms]
    rows: list[list[object]] = [["saves", *(f"{s['saves']:,}" for s in storms)]]
    rows += [
        [f"**{words}**", *(f"**{s[name]}** of {s['of'][name]:,}" for s in storms)]
        for name, words in JUDGED.items()
    ]
    rows.append(["**canary**", *(f"**{s['canary_hits']}**" for s in storms)])
    rows += [
        [f"kills: {kind.replace('_', ' ')}", *(s["kills"][kind] for s in storms)]
        for kind in next(iter(storms))["kills"]
    ]
    rows += [
        [words, *(_seconds(s[name], *quantiles) for s in storms)]
        for name, words, quantiles in (
            ("recovery_seconds", "recovery, s: p50, p95, max", ("p50", "p95", "max")),
            ("save_seconds", "a save, s: p50, p99, max", ("p50", "p99", "max")),
            (
                "save_seconds_while_broker_down",
                "a save while the broker is down",
                ("p50", "p99", "max"),
            ),
        )
    ]
    rows.append(
        ["the textbook way: lost", *(f"{n['lost']} of {n['texts']:,}" for n in naive)]
    )
    rows.append(
        [
            "the textbook way: errors to users",
            *(f"{n['errors_to_users']} of {n['saves']:,}" for n in naive),
        ]
    )
    head = ["", *(storm["broker"] for storm in storms)]
    when = f"{report['date'][:10]}, commit {report['commit']}, seed {report['seed']}"
    versions = report["versions"]
    return [
        *_table(head, rows),
        "",
        f"{when}, Django {versions['django']}, Celery {versions['celery']}, "
        f"{next(iter(storms))['database']}; {report['clocks']}.",
    ]


def _seconds(of: dict[str, float], *quantiles: str) -> str:
    return ", ".join(f"{of[quantile]:.3g}" for quantile in quantiles)


def _engine(
    of: Callable[[dict[str, Any]], engine_figures.Table],
    when: Callable[[dict[str, Any]], str],
) -> Block:
    return lambda report: [*_table(*of(report)), "", when(report)]


BLOCKS: dict[str, Block] = {
    "saves": saves,
    "throughput": throughput,
    "quota": quota,
    "wakes": wakes,
    "chaos": chaos,
    "tables": tables,
    "tables-slow": tables_slow,
    "tables-round": tables_round,
    "rounds": rounds,
    **{name: _engine(*pair) for name, pair in engine_figures.TABLES.items()},
    "engine_tiers": _engine(engine_tier_figures.tiers, engine_figures.when),
}

if __name__ == "__main__":
    main()
