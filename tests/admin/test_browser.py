"""Activate, try, roll back: in a real browser, under a policy that lets nothing run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User

from django_contentsafety.flows import build, moderate
from django_contentsafety.models import Category, CategoryVersion, LogEntry, Policy
from tests.admin.conftest import samples
from tests.admin.test_story import url
from tests.testapp.models import Comment

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXT = "Hello! double your coins now, the offer of the week."


def built(category: Category) -> CategoryVersion:
    version = build.freeze(category, by="1")
    build.run(build.start(version, by="1"))
    return version


@pytest.fixture
def site(live_server: Any, page: Page, settings: Any) -> str:
    """The server's address, with somebody logged in and a strict content policy."""
    settings.MIDDLEWARE = [
        "example_project.middleware.ContentSecurityPolicy",
        *settings.MIDDLEWARE,
    ]
    User.objects.create_superuser("root", password="x")
    page.goto(f"{live_server.url}/admin/")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill("x")
    page.get_by_role("button", name="Log in").click()
    return str(live_server.url)


def test_activate_try_and_roll_back_by_keyboard(
    site: str, page: Page, category: Category, policy: Policy, settings: Any
) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    build.import_samples(category, samples(), filename="f", by="1")
    first, second = built(category), built(category)
    build.activate(first, by="1")
    policy.rules.all().delete()
    policy.rules.create(
        category=category.name, provider="local", review_at=0.5, block_at=0.8
    )
    Comment.objects.create(body="double your coins now, offer 3 of the week")
    moderate.drain("default")
    settings.CONTENTSAFETY_ACTIVATION_BAR = {"recall_low": 0.99}

    page.goto(site + url("activate", second))
    # Without a reason nothing happens.
    press(page, "Yes, activate it")
    assert "Say why it is activated below the bar." in page.inner_text("#content")
    page.locator("#cs-new").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#cs-reanalyze").is_checked()
    page.locator("#id_reason").focus()
    page.keyboard.type("Tried by hand.")
    press(page, "Yes, activate it")
    text = page.inner_text("body")
    assert "v2 answers from now on. 1 earlier text waits to be judged again." in text
    assert LogEntry.objects.get(to_value="v2").reason == "Tried by hand."

    page.goto(site + url("try_it", category))
    page.get_by_label("Text").focus()
    page.keyboard.type(TEXT)
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "What policies would decide" in page.inner_text("#content")
    assert page.locator("mark", has_text="coins").count() == 2
    assert "Block" in page.inner_text("#cs-tried-policies")

    page.goto(site + url("change", category))
    page.get_by_role("link", name="Roll back to v1").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.locator("#id_reason").fill("It was better.")
    press(page, "Yes, roll back")
    assert "v1 answers from now on." in page.inner_text("body")
    category.refresh_from_db()
    assert category.active_version == first
    assert [words for words in said if "Content Security Policy" in words] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_phone(
    site: str, page: Page, category: Category, policy: Policy, scheme: Any
) -> None:
    build.import_samples(category, samples(), filename="f", by="1")
    first = built(category)
    build.activate(first, by="1")
    policy.rules.all().delete()
    policy.rules.create(category=category.name, provider="local", block_at=0.9)
    Comment.objects.create(body="double your coins now, offer 3 of the week")
    moderate.drain("default")
    second = built(category)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 400, "height": 800})
    for address in (
        *(url(name, second) for name in ("activate", "diff", "retire", "remove")),
        url("try_it", category),
        url("rejudge", policy),
    ):
        page.goto(site + address)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 400, address


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
