"""A build's page: what it says, what it advises, and that it moves by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_contentsafety.admin import builds
from django_contentsafety.admin.builds import in_words
from django_contentsafety.flows import build
from django_contentsafety.flows.standing import standing
from django_contentsafety.models import BuildJob, Category, DbNow
from tests.admin.conftest import Elements, make_job, make_version, words

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.django_db

LIVE = [str(status) for status in BuildJob.LIVE]


def page_of(job: BuildJob, name: str = "change") -> str:
    return reverse(f"admin:contentsafety_buildjob_{name}", args=[job.pk])


def put(job: BuildJob, **changes: Any) -> BuildJob:
    BuildJob.objects.filter(pk=job.pk).update(**changes)
    job.refresh_from_db()
    return job


def ago(**units: float) -> Any:
    return DbNow() - timedelta(**units)


def moving(response: Any) -> dict[str, str | None]:
    """The attributes of the part that the script fetches and replaces."""
    (attrs,) = [
        attrs
        for _tag, attrs in Elements(response.content.decode()).tags
        if "data-moving-url" in attrs
    ]
    return attrs


# --- What it shows ----------------------------------------------------------------


def test_a_running_build_says_all_there_is_to_say(
    root: Client, category: Category
) -> None:
    job = make_job(category, "building")
    put(
        job,
        building_at=ago(minutes=10),
        created_at=ago(minutes=11),
        progress=25,
        phase="training",
        poll_count=7,
        raw_status="Running <b>",
        operation_id="cs-1-abc",
        next_poll_at=DbNow() + timedelta(minutes=5),
    )
    page = words(root.get(page_of(job)))
    for expected in (
        "Building",
        "25 %",
        "training",
        "11 minutes",
        "about 30 minutes, by its progress",
        "Running <b>",
        "7, the next one in 5 minutes",
        "cs-1-abc",
        "Cancel build",
    ):
        assert expected in page
    assert "Try again" not in page
    assert "needs you" not in page


def test_the_estimate_goes_by_earlier_builds_of_the_provider(
    root: Client, category: Category
) -> None:
    make_version(category)
    put(BuildJob.objects.get(), created_at=ago(hours=3), finished_at=ago(hours=1))
    job = put(make_job(category, "building"), created_at=ago(minutes=60))
    stands = standing(job)
    assert stands.basis == "earlier"
    assert stands.remaining is not None
    assert abs(stands.remaining - timedelta(hours=1)) < timedelta(seconds=10)
    assert "as earlier builds of this provider took" in words(root.get(page_of(job)))
    # It lasts longer than they did: nobody can say.
    assert standing(put(job, created_at=ago(hours=3))).remaining is None
    assert "nobody can say" in words(root.get(page_of(job)))


def test_no_estimate_is_made_up(category: Category) -> None:
    stands = standing(make_job(category, "queued"))
    assert (stands.remaining, stands.basis) == (None, "")


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("config", "Correct the provider's settings"),
        ("gone", "choose another provider"),
        ("missing", "registered and built anew"),
        ("content", "refuses the definition or the samples"),
        ("endless", "name the operation"),
        ("bug", "Look into the log"),
        ("a code nobody knows", "Look into the log"),
    ],
)
def test_what_needs_a_person_says_what_to_do(
    root: Client, category: Category, code: str, advice: str
) -> None:
    job = make_job(category, "needs_attention")
    put(job, error_code=code, error_message="It said <no>.")
    response = root.get(page_of(job))
    page = words(response)
    assert "This build needs you" in page
    assert "It said <no>." in page
    assert advice in page
    assert "Try again" in page
    assert "Cancel build" in page
    # Nothing moves until somebody acts.
    assert moving(response)["data-moving-url"] == ""


def test_longer_than_a_day_is_said_and_polled_on(
    root: Client, category: Category
) -> None:
    job = put(make_job(category, "building"), overdue_at=ago(minutes=1))
    response = root.get(page_of(job))
    assert "Longer than a day" in words(response)
    assert "nothing is built again by itself" in words(response)
    assert moving(response)["data-moving-url"] == page_of(job, "progress")
    put(job, overdue_at=ago(minutes=-1))
    assert "Longer than a day" not in words(root.get(page_of(job)))


def test_trouble_on_the_way_is_no_end(root: Client, category: Category) -> None:
    job = put(make_job(category, "building"), error_message="HTTP 503.")
    page = words(root.get(page_of(job)))
    assert "Last trouble HTTP 503." in page
    assert "needs you" not in page


def test_a_good_end_leads_to_the_card(root: Client, category: Category) -> None:
    make_version(category)
    job = BuildJob.objects.get()
    response = root.get(page_of(job))
    assert moving(response)["data-moving-url"] == ""
    assert "look at its card" in words(response)
    assert "Cancel" not in words(response)
    version = reverse(
        "admin:contentsafety_categoryversion_change", args=[job.version_id]
    )
    assert version in response.content.decode()


@pytest.mark.parametrize(
    ("seconds", "words_"),
    [
        (-3, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (5_400, "90 minutes"),
        (7_200, "2 hours"),
        (86_400, "24 hours"),
        (172_800, "2 days"),
    ],
)
def test_durations_in_words(seconds: int, words_: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words_


# --- The fragment -----------------------------------------------------------------


@pytest.mark.parametrize("status", LIVE)
def test_the_fragment_is_what_the_page_shows(
    root: Client, category: Category, status: str
) -> None:
    job = make_job(category, status)
    response = root.get(page_of(job, "progress"))
    fragment = response.content.decode()
    assert fragment.lstrip().startswith("<div data-moving-url")
    assert "<html" not in fragment
    assert "no-store" in response["Cache-Control"]
    assert Elements(fragment).dangers() == []
    assert words(response) in words(root.get(page_of(job)))


def test_the_fragment_needs_the_view_permission(
    staff: Callable[..., Client], category: Category
) -> None:
    job = make_job(category, "building")
    page = page_of(job, "progress")
    assert Client().get(page).status_code == 302
    assert staff("view_category", "build_category").get(page).status_code == 403
    response = staff("view_buildjob").get(page)
    assert response.status_code == 200
    # Who may look may not cancel.
    assert "<form" not in response.content.decode()
    assert staff("view_buildjob").get(page.replace(str(job.pk), "x")).status_code == 404


def test_the_fragment_is_cheap(root: Client, category: Category) -> None:
    job = make_job(category, "building")
    root.get(page_of(job, "progress"))
    with CaptureQueriesContext(connection) as queries:
        root.get(page_of(job, "progress"))
    assert len(queries) <= 6
    sql = " ".join(query["sql"] for query in queries)
    assert "artifact" not in sql
    assert "samples_jsonl" not in sql


def test_a_screen_reader_hears_of_quarters_alone(
    root: Client, category: Category
) -> None:
    job = make_job(category, "building")
    said = []
    for percent in range(0, 101, 5):
        put(job, progress=percent)
        said.append(moving(root.get(page_of(job, "progress")))["data-says"])
    assert len(set(said)) == 5
    assert said[0] == "crypto-scam v1: building."
    assert said[6] == "crypto-scam v1: building, 25 %."


# --- In a browser -----------------------------------------------------------------


@pytest.fixture
def watched(
    live_server: Any, page: Page, root: Client, category: Category, monkeypatch: Any
) -> BuildJob:
    """A build whose page is open in the browser."""
    monkeypatch.setattr(builds, "SOON", 50)
    monkeypatch.setattr(builds, "LATER", 50)
    job = make_job(category, "building")
    page.context.add_cookies(
        [
            {
                "name": "sessionid",
                "value": root.cookies["sessionid"].value,
                "url": live_server.url,
            }
        ]
    )
    page.goto(live_server.url + page_of(job))
    return job


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_page_moves_by_itself_and_stops_at_the_end(
    page: Page, watched: BuildJob
) -> None:
    job = watched
    part = page.locator("#cs-moving")
    said = page.locator("#cs-said")
    put(job, progress=30, phase="fitting")
    part.get_by_text("fitting").wait_for()
    assert said.inner_text() == "crypto-scam v1: building, 25 %."
    page.evaluate("document.getElementById('cs-said').textContent = 'heard'")
    # The focus stays where it was, and 26 percent more of the same is no news.
    page.locator("#cs-build-cancel").focus()
    put(job, progress=45, phase="testing")
    part.get_by_text("testing").wait_for()
    assert page.evaluate("document.activeElement.id") == "cs-build-cancel"
    assert said.inner_text() == "heard"

    # A site that doesn't answer for a while.
    page.route("**/progress/", lambda route: route.abort())
    page.get_by_text("The site does not answer.").wait_for()
    page.unroute("**/progress/")
    put(job, phase="measuring")
    part.get_by_text("measuring").wait_for()
    assert not page.locator("#cs-still").is_visible()

    put(job, status="queued")
    build.run(put(job, next_poll_at=DbNow()))
    part.get_by_text("look at its card").wait_for()
    assert said.inner_text() == "crypto-scam v1: succeeded."
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(300)
    assert asked == []
    part.get_by_text("look at its card").click()
    page.wait_for_url("**/categoryversion/**")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_hidden_tab_asks_nothing(page: Page, watched: BuildJob) -> None:
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => window.away, "
        "configurable: true}); window.away = true; "
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    # One may have been on its way.
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(300)
    assert asked == []
    put(watched, phase="seen again")
    page.evaluate(
        "window.away = false; document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.locator("#cs-moving").get_by_text("seen again").wait_for()


# --- Deleting a version -----------------------------------------------------------


def version_page(version: Any, name: str = "change") -> str:
    return reverse(f"admin:contentsafety_categoryversion_{name}", args=[version.pk])


def test_deleting_begins_at_once_where_it_can(
    root: Client, category: Category, settings: Any
) -> None:
    settings.CONTENTSAFETY_WAKE = "inline"
    version = make_version(category)
    root.post(version_page(version, "remove"), {"reason": "a mistake"})
    version.refresh_from_db()
    assert version.status == "deleted"
    page = words(root.get(version_page(version)))
    assert "some were erased since" in page
    assert "Export samples" not in page


def test_a_deletion_that_takes_its_time_or_fails_says_so(
    root: Client, category: Category
) -> None:
    version = make_version(category)
    root.post(version_page(version, "remove"), {"reason": ""})
    page = words(root.get(version_page(version)))
    assert "asked of the provider soon" in page
    type(version).objects.update(
        status="delete_failed", removal_words="It is in use <b>."
    )
    page = words(root.get(version_page(version)))
    assert "Why it is not deleted It is in use <b>." in page
    assert "Delete here only" in page
    root.post(version_page(version, "remove_here"), {"reason": "closed"})
    version.refresh_from_db()
    assert (version.status, version.removal_words) == ("deleted", "")


def test_a_build_that_goes_on_is_watched_where_it_is_shown(
    staff: Callable[..., Client], root: Client, category: Category
) -> None:
    version = make_version(category, ready=False)
    response = root.post(version_page(version, "build"))
    job = BuildJob.objects.get()
    assert response["Location"] == page_of(job)
    build.cancel(job, by="")
    blind = staff("view_categoryversion", "build_category")
    response = blind.post(version_page(version, "build"))
    assert response["Location"] == version_page(version)
