"""Long row tables: time and query plan of what must not grow with the history.

On 10^4, 10^6 and 10^7 objects, each with its state and a result: what a worker, a
sweep, a page of the site and a page of the admin ask. What changes rows is rolled back.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from . import databases, history, plans, reports

#: Bytes a row of the site takes, with its states, results and all indexes; measured.
ROW_BYTES = 1_700
#: Objects a page, and the page that is far back.
PAGE, FAR = 50, 1_000


def main() -> None:
    parser = reports.arguments(__doc__ or "", runs=7)
    parser.add_argument("--sizes", default="10000,1000000,10000000")
    parser.add_argument("--databases", default=",".join(databases.NAMES))
    #: A round of the whole table at 10^7 would take more than a day.
    parser.add_argument("--most-in-a-round", type=int, default=1_000_000)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if not options.on and free < 1.5 * max(sizes) * ROW_BYTES:
        sys.exit(f"{max(sizes)} rows need {max(sizes) * ROW_BYTES / 1e9:.0f} GB.")
    wanted = options.databases.split(",")
    found = reports.on_each("tables", options, wanted, measure)
    reports.write("tables", options, found)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    sizes = [int(size) for size in options.sizes.split(",")]
    _site()
    shapes: dict[str, dict[str, Any]] = {"history": {}, "round": {}}
    for size in sizes:
        shapes["history"][str(size)] = _at(size, options.runs, QUESTIONS)
    for size in [size for size in sizes if size <= options.most_in_a_round]:
        shapes["round"][str(size)] = _at(
            size, options.runs, QUESTIONS_IN_A_ROUND, in_a_round=True
        )
    return {
        name: {
            question: {
                "ms": {size: of[size][question]["ms"] for size in of},
                "last_over_first": _growth([of[s][question]["ms"] for s in of]),
                "same_plan": len({str(of[s][question]["plan"]) for s in of}) == 1,
                "plans": {size: of[size][question]["plan"] for size in of},
            }
            for question in next(iter(of.values()))
        }
        for name, of in shapes.items()
        if of
    }


def _growth(ms: list[float]) -> float:
    return round(ms[-1] / ms[0], 2)


def _site() -> None:
    """A live policy, and somebody who looks at the admin."""
    from django.contrib.auth import get_user_model

    from django_contentsafety.models import Policy, PolicyRule

    from .site.moderation import POLICY

    Policy.objects.filter(slug=POLICY).delete()
    policy = Policy.objects.create(slug=POLICY, mode="live")
    PolicyRule.objects.bulk_create(
        [PolicyRule(policy=policy, category="x", scale="score", block_at=0.9)]
    )
    get_user_model().objects.create_superuser("bench")


def _at(
    size: int,
    runs: int,
    questions: dict[str, Callable[[], object]],
    *,
    in_a_round: bool = False,
) -> dict[str, Any]:
    started = time.monotonic()
    history.write(size, in_a_round=in_a_round)
    print(f"{size} rows after {time.monotonic() - started:.0f} s", flush=True)
    found = {}
    for name, ask in questions.items():
        found[name] = _ask(ask, runs)
        print(f"  {name}: {found[name]['ms']} ms {found[name]['plan']}", flush=True)
    return found


def _ask(ask: Callable[[], object], runs: int) -> dict[str, Any]:
    """The middle of some runs after one that warms up, and the plan."""
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    times = []
    for run in range(runs + 1):
        with transaction.atomic():
            started = time.perf_counter()
            ask()
            times.append((time.perf_counter() - started) * 1000)
            transaction.set_rollback(True)
        if run and times[-1] > 2_000:
            break
    with transaction.atomic():
        with CaptureQueriesContext(connection) as queries:
            ask()
        transaction.set_rollback(True)
    ms = round(median(times[1:]), 2)
    return {"ms": ms, "plan": plans.shapes(queries.captured_queries, connection)}


def claim() -> None:
    from django_contentsafety.models import ModerationState

    from .site.moderation import POLICY

    rows = ModerationState.objects.using("default")
    assert len(rows.claim(policies=[POLICY], limit=50, lease=60)) == 50


def free_leases() -> None:
    from django_contentsafety.flows import upkeep

    counts = upkeep.SweepCounts()
    upkeep.free_leases("default", counts)
    assert counts.freed == history.LOST


def exhaust_old() -> None:
    from django_contentsafety.flows import upkeep

    upkeep.exhaust_old("default", upkeep.SweepCounts())


def reconcile_step() -> None:
    from django_contentsafety.flows.reconcile import reconcile

    done = reconcile("default", limit=1)
    assert done.seen == 500 and not done.found


def purge_a_day() -> None:
    from django_contentsafety.flows.purge import purge_results

    deleted, _ = purge_results("default", seconds=60)
    assert deleted > 0.9 * history.A_DAY


def orphans_step() -> None:
    from django_contentsafety.flows.purge import purge_orphans

    assert purge_orphans("default", seconds=0) == 0


def check() -> None:
    from django_contentsafety.flows.invariants import survey

    assert survey()


def _page(start: int = 0) -> Any:
    from django_contentsafety import visible

    from .site.models import Moderated

    return visible(Moderated.objects.order_by("-pk"))[start : start + PAGE]


def first_page() -> None:
    assert len(_page()) == PAGE


def first_page_uncovered() -> None:
    from django_contentsafety.models import Coverage

    Coverage.objects.update(completed_at=None)
    assert len(_page()) == PAGE


def far_page() -> None:
    len(_page((FAR - 1) * PAGE))


def far_page_by_key() -> None:
    from django_contentsafety import visible

    from .site.models import Moderated

    last = Moderated.objects.order_by("-pk").values_list("pk", flat=True)[0]
    behind = Moderated.objects.filter(pk__lt=max(last - FAR * PAGE, last // 2))
    assert len(visible(behind.order_by("-pk"))[:PAGE]) == PAGE


def count() -> None:
    from django_contentsafety import visible

    from .site.models import Moderated

    assert visible(Moderated.objects.all()).count()


def _admin(query: str) -> None:
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client(headers={"host": "localhost"})
    client.force_login(get_user_model().objects.get())
    answer = client.get(f"/admin/contentsafety/moderationstate/{query}")
    assert answer.status_code == 200


def admin_all() -> None:
    _admin("")


def admin_held() -> None:
    _admin("?decision=review")


def admin_exhausted() -> None:
    _admin("?state=exhausted")


def would_have_hidden() -> None:
    from django_contentsafety.flows.policies import would_have_hidden
    from django_contentsafety.models import Policy

    would_have_hidden(Policy.objects.get())


QUESTIONS: dict[str, Callable[[], object]] = {
    function.__name__: function
    for function in (
        claim,
        free_leases,
        exhaust_old,
        reconcile_step,
        orphans_step,
        purge_a_day,
        check,
        first_page,
        first_page_uncovered,
        far_page,
        far_page_by_key,
        admin_all,
        admin_held,
        admin_exhausted,
        count,
        would_have_hidden,
    )
}
QUESTIONS_IN_A_ROUND: dict[str, Callable[[], object]] = {
    function.__name__: function
    for function in (claim, free_leases, exhaust_old, reconcile_step, check, first_page)
}

if __name__ == "__main__":
    main()
