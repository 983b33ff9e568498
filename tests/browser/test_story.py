"""A category's whole life, by somebody at a keyboard: defined, sampled, built by a
worker, judged, activated, tried, improved, rolled back, deleted."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.person import Person

pytestmark = [pytest.mark.browser, pytest.mark.axe, pytest.mark.usefixtures("worker")]

#: Milliseconds a worker may take to build.
PATIENCE = 60_000

JOBS = "parcels surveys reviews envelopes stickers shipments calls forms likes data"
SCAM = "Earn {n} dollars a day from home with {what}, no skills, pay a small fee first."
FINE = "We look for somebody who handles {what} at our office {n} days a week, by law."
TRIED = "Earn 300 dollars a day from home with parcels, pay a small fee first."


def samples() -> list[str]:
    return [
        json.dumps({"text": text.format(n=n, what=what), "isPositive": belongs})
        for n in (2, 3, 5)
        for what in JOBS.split()
        for text, belongs in ((SCAM, True), (FINE, False))
    ]


def test_a_category_s_whole_life(person: Person) -> None:
    define(person)
    upload_with_a_mistake(person)
    build(person, 1)
    read_the_card(person)
    activate(person, 1)
    try_it(person)
    improve(person)
    build(person, 2)
    compare(person)
    activate(person, 2)
    roll_back(person)
    delete(person)


def define(person: Person) -> None:
    person.open("/admin/contentsafety/category/")
    person.press(person.link("Add category"))
    person.look_over()
    person.write("Name", "job-scam")
    person.write("Definition", "Offers of work that ask for money first.")
    person.press(person.button("Save and continue editing"))
    assert "added successfully" in person.told()
    person.look_over()


def upload_with_a_mistake(person: Person) -> None:
    category = person.page.url
    person.press(person.link("Upload samples"))
    person.look_over()
    lines = samples()
    person.write("Or lines", "\n".join([*lines[:10], '{"text": "broken"', *lines[10:]]))
    person.press(person.button("Preview"))
    person.look_over()
    assert "Leave out the 1 line with a problem" in person.text()
    row = person.page.locator("#cs-rows tbody tr").first.inner_text()
    assert row.startswith("11"), row
    # Nothing is stored: the person mends the line and looks again.
    person.write("Or lines", "\n".join(lines))
    person.press(person.button("Preview"))
    person.press(person.button("Import 60 samples"))
    assert "60 samples were added." in person.told()
    assert person.page.url == category


def build(person: Person, number: int) -> None:
    """Freeze, build, and watch the worker: the page moves by itself."""
    person.press(person.button("Freeze version"))
    assert f"v{number} is frozen" in person.told()
    person.press(person.button("Build"))
    if "/buildjob/" not in person.page.url:
        person.press(person.link(re.compile(r"^#\d+$")))
    person.page.evaluate("window.isTheSame = true")
    person.look_over()
    moving = person.page.locator("#cs-moving")
    expect(moving).to_contain_text("Succeeded", timeout=PATIENCE)
    assert person.page.evaluate("window.isTheSame") is True
    expect(person.page.get_by_role("status").first).to_contain_text(
        re.compile("succeeded", re.I)
    )
    person.look_over()
    person.press(moving.get_by_role("link").first)
    assert "/categoryversion/" in person.page.url


def read_the_card(person: Person) -> None:
    person.look_over()
    page = person.page
    shown = page.locator("#cs-explorer [data-cs=threshold]").inner_text()
    caught = page.locator("#cs-explorer [data-cs=caught]")
    assert caught.inner_text() == "30"
    slider = person.reach(page.locator("#cs-threshold"))
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.locator("#cs-explorer [data-cs=threshold]").inner_text() != shown
    assert slider.input_value() != ""
    page.keyboard.press("End")
    assert int(caught.inner_text()) < 30
    person.look_over()
    for _ in range(45):
        page.keyboard.press("ArrowLeft")
    person.photograph("card")


def activate(person: Person, number: int) -> None:
    person.press(person.link("Activate"))
    person.look_over()
    person.press(person.button("Yes, activate it"))
    assert f"v{number} answers from now on." in person.told()


def try_it(person: Person) -> None:
    person.press(person.link("job-scam", exact=True))
    person.press(person.link("Try it"))
    person.write("Text", TRIED)
    person.press(person.button("Try it"))
    person.look_over()
    person.photograph("try")
    assert person.page.locator("mark").count() > 0
    assert "No policy has a rule for this category yet." in person.text()
    person.press(person.link("Back to the category"))


def improve(person: Person) -> None:
    person.press(person.link("Upload samples"))
    person.write(
        "Or lines", json.dumps({"text": "A walk by the river.", "isPositive": False})
    )
    person.press(person.button("Preview"))
    person.press(person.button("Import 1 sample"))


def compare(person: Person) -> None:
    version = person.page.url
    person.press(person.link("What changed"))
    person.look_over()
    assert "A walk by the river." in person.text()
    person.open(version.removeprefix(person.site))
    person.press(person.link("Compare"))
    person.look_over()
    person.photograph("compare")
    person.open(version.removeprefix(person.site))


def roll_back(person: Person) -> None:
    person.press(person.link("Roll back to v1"))
    person.look_over()
    person.write("Reason", "The old one was better.")
    person.press(person.button("Yes, roll back"))
    assert "v1 answers from now on." in person.told()


def delete(person: Person) -> None:
    person.press(person.link("job-scam", exact=True))
    person.press(person.link("v2", exact=True))
    person.press(person.link("Delete"))
    person.look_over()
    person.write("Reason", "Nobody needs it.")
    person.press(person.button(re.compile("^Yes")))
    expect(person.page.locator("#content")).to_contain_text(re.compile("[Dd]elet"))
