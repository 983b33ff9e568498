"""Every pair of statuses of both machines: allowed ones happen, others are refused.

The tables here are written by hand, as reliability.md and the design have them, and not
read from the code.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_contentsafety.exceptions import InvalidTransition
from django_contentsafety.flows import build
from django_contentsafety.models import BuildJob, CategoryVersion, DbNow
from tests.building import SiteTables, freeze

pytestmark = pytest.mark.django_db(databases="__all__")

#: From → to.
BUILDS = {
    "queued": "registering failed canceled needs_attention",
    "registering": "registering registered failed canceled needs_attention",
    "registered": "submitting failed canceled needs_attention",
    "submitting": "submitting building failed canceled needs_attention",
    "building": "building succeeded failed canceled needs_attention",
    "needs_attention": "queued canceled",
    "succeeded": "",
    "failed": "",
    "canceled": "",
}
VERSIONS = {
    "frozen": "building deleting",
    "building": "ready failed",
    "ready": "retired deleting",
    "failed": "building deleting",
    "retired": "ready deleting",
    "deleting": "deleting deleted delete_failed",
    "delete_failed": "deleting deleted",
    "deleted": "",
}


def pairs(table: dict[str, str]) -> list[Any]:
    return [
        pytest.param(
            before, after, after in table[before].split(), id=f"{before}-{after}"
        )
        for before in table
        for after in table
    ]


@pytest.fixture(autouse=True)
def site(using: str, settings: Any) -> str:
    settings.DATABASE_ROUTERS = [SiteTables(using)]
    return using


@pytest.fixture
def version(site: str) -> CategoryVersion:
    made: CategoryVersion = freeze("default")
    return made


def row(model: type[Any]) -> dict[str, Any]:
    return dict(model.objects.values().get())


def test_the_tables_name_every_status() -> None:
    assert set(BUILDS) == set(BuildJob.Status)
    assert set(VERSIONS) == set(CategoryVersion.Status)


@pytest.mark.parametrize(("before", "after", "allowed"), pairs(BUILDS))
def test_a_build(
    version: CategoryVersion, before: str, after: str, allowed: bool
) -> None:
    job = build.start(version, by="7")
    final = before in ("succeeded", "failed", "canceled")
    BuildJob.objects.update(
        live_category=None if final else version.category_id,
        finished_at=DbNow() if final else None,
        status=before,
    )
    was = row(BuildJob)
    if not allowed:
        with pytest.raises(InvalidTransition, match=f"can't become {after}"):
            job.move(after, phase="never")
        assert row(BuildJob) == was
        return
    job.move(after, phase="moved")
    assert (job.status, job.phase) == (after, "moved")
    over = after in ("succeeded", "failed", "canceled")
    assert (job.finished_at is not None) == over
    assert (job.live_category_id is None) == over


@pytest.mark.parametrize(("before", "after", "allowed"), pairs(VERSIONS))
def test_a_version(
    version: CategoryVersion, before: str, after: str, allowed: bool
) -> None:
    CategoryVersion.objects.update(status=before)
    was = row(CategoryVersion)
    if not allowed:
        with pytest.raises(InvalidTransition, match=f"can't become {after}"):
            version.move(after, removal_words="never")
        assert row(CategoryVersion) == was
        return
    version.move(after, removal_words="moved")
    assert (version.status, version.removal_words) == (after, "moved")


@pytest.mark.parametrize("model", [BuildJob, CategoryVersion])
def test_a_move_needs_the_lease_it_was_read_with(
    version: CategoryVersion, model: type[Any]
) -> None:
    build.start(version, by="7")
    CategoryVersion.objects.update(status="deleting")
    name = "lease_token" if model is BuildJob else "removal_token"
    stale = model.objects.get()
    model.objects.update(**{name: "another worker's"})
    was = row(model)
    with pytest.raises(InvalidTransition):
        stale.move("registering" if model is BuildJob else "deleted")
    assert row(model) == was


def test_a_move_is_one_statement_that_compares_and_sets(
    version: CategoryVersion, site: str
) -> None:
    """Read first and written then, two workers would both go on."""
    if site != "default":
        return
    job = build.start(version, by="7")
    with CaptureQueriesContext(connection) as queries:
        job.move("registering")
        version.move("failed")
    writes = [q["sql"] for q in queries if not q["sql"].startswith("SELECT")]
    assert len(writes) == 2
    assert all(sql.startswith("UPDATE") and '"status" IN' in sql for sql in writes)
    assert queries.captured_queries[0]["sql"] == writes[0]
