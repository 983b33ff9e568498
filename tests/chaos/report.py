"""The report: the figures, and whether they keep the promises."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from typing import Any

#: What has to be zero, and of how many it is told.
ZEROS = {
    "lost": "texts",
    "stale": "texts",
    "double_actions": "actions",
    "rolled_back_moderated": "rolled_back_texts",
    "errors_to_users": "saves",
    "shown_bad": "looks",
    "orphans": "texts",
}


def scenario(facts: dict[str, Any]) -> dict[str, Any]:
    """One storm's part of the report."""
    told = facts.pop("told")
    down = facts.pop("down")
    recovery = facts.pop("recovery")
    naive = facts.pop("naive")
    plain = [seconds for _, seconds in told.timings]
    during = [
        seconds for at, seconds in told.timings if any(b <= at <= e for b, e in down)
    ]
    answers = facts["answers"]
    faulty = [answers[alias] for alias in ("remote", "second") if alias in answers]
    asked = sum(answer["asked"] for answer in faulty)
    return {
        **{name: facts[name] for name in ("saves", *ZEROS)},
        "of": {name: facts[of] for name, of in ZEROS.items()},
        "kills": facts["kills"],
        "recovery_seconds": quantiles(recovery),
        "save_seconds": quantiles(plain),
        "save_seconds_while_broker_down": quantiles(during),
        "fault_share": round(sum(a["faults"] for a in faulty) / max(asked, 1), 3),
        "canary_hits": sum(sink["hits"] for sink in facts["canary"].values()),
        "naive_control": naive,
        **{n: v for n, v in facts.items() if n not in ("saves", "kills", *ZEROS)},
    }


def quantiles(seconds: list[float]) -> dict[str, float]:
    """p50, p95, p99 and the longest, of how many."""
    if not seconds:
        return {"n": 0}
    ordered = sorted(seconds)
    found = {
        name: round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 3)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }
    return {"n": len(ordered), **found, "max": round(ordered[-1], 3)}


def broken(part: dict[str, Any], saves: int) -> list[str]:
    """The promises that a storm did not keep, in words; none = all are kept."""
    found = [
        f"{name} is {part[name]} (of {part['of'][name]} {of})"
        for name, of in ZEROS.items()
        if part[name]
    ]
    found += [
        f"only {part['kills'][kind]} kills of {kind}, {number} are promised"
        for kind, number in part["promised"].items()
        if part["kills"][kind] < number
    ]
    for name, sink in part["canary"].items():
        if sink["hits"]:
            found.append(f"{sink['hits']} canaries in {name}")
        if not sink["expected"] and name != "results":
            found.append(f"nothing at all was recorded of {name}")
    if saves >= 1500 and not part["leases_lost"]:
        found.append("no kill hit a worker at work")
    if part["saves"] < saves:
        found.append(f"only {part['saves']} saves, {saves} are promised")
    if part["savers_crashed"]:
        found.append(f"a saver ended by itself: {', '.join(part['savers_crashed'])}")
    # Of fewer answers the share says little.
    if saves >= 1500 and not 0.25 < part["fault_share"] < 0.4:
        found.append(f"the provider failed {part['fault_share']:.0%} of the time")
    return found


def heading(seed: int, saves: int, skewed: bool) -> dict[str, Any]:
    from importlib.metadata import version

    names = ("celery", "django", "kombu", "redis", "requests")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short", "HEAD") or "unknown",
        "changed_files": bool(_git("status", "--porcelain")),
        "seed": seed,
        "promised_saves": saves,
        "clocks": "workers at +10 and -10 minutes" if skewed else "NOT SKEWED",
        "versions": {name: version(name) for name in names},
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
