"""Somebody who does everything by keyboard."""

from __future__ import annotations

import os
from pathlib import Path
from re import Pattern
from typing import TYPE_CHECKING

from tests.browser import axe

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ROOT = Path(__file__).parents[2]
#: Presses of Tab after which a thing counts as out of reach.
REACH = 250


class Person:
    """Tab, Enter, Space, arrows and letters; the mouse is never touched."""

    def __init__(self, page: Page, site: str) -> None:
        self.page, self.site = page, site
        #: What the browser refused under the Content-Security-Policy.
        self.violations: list[str] = []
        self._axe_runs = False
        page.on("console", self._listen)
        page.set_viewport_size({"width": 1200, "height": 900})

    def log_in(self, name: str, password: str) -> None:
        self.open("/admin/login/?next=/admin/")
        self.write("Username", name)
        self.write("Password", password)
        self.press(self.button("Log in"))
        assert self.page.url.endswith("/admin/"), self.page.url

    def open(self, path: str) -> None:
        self.page.goto(self.site + path)

    def link(self, name: str | Pattern[str], **options: bool) -> Locator:
        return self.page.get_by_role("link", name=name, **options).first

    def button(self, name: str | Pattern[str], **options: bool) -> Locator:
        return self.page.get_by_role("button", name=name, **options).first

    def reach(self, thing: Locator) -> Locator:
        """Press Tab until the thing has the focus."""
        for _ in range(REACH):
            if thing.evaluate("element => element === document.activeElement"):
                return thing
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Not within {REACH} tabs: {thing}")

    def press(self, thing: Locator) -> None:
        """Reach a link or a button, press Enter on it, and wait for the next page."""
        self.reach(thing)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def write(self, label: str, text: str) -> None:
        self.reach(self.page.get_by_label(label).first)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)

    def check(self, thing: Locator) -> None:
        """Reach a box or a choice, and mark it."""
        self.reach(thing)
        self.page.keyboard.press("Space")

    def text(self) -> str:
        return self.page.locator("#content").inner_text()

    def told(self) -> str:
        """The messages on the page."""
        return " ".join(self.page.locator(".messagelist li").all_inner_texts())

    def look_over(self) -> None:
        """Nothing on the page keeps anybody out."""
        findings = self.findings()
        assert not findings, "\n".join(findings)

    def findings(self) -> list[str]:
        """Serious ones of axe-core, on the light page and on the dark one."""
        found = []
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self._settle()
            # It tries styles on the page, which the policy forbids.
            self._axe_runs = True
            for finding in axe.serious(self.page):
                found.append(f"{self.page.url} ({scheme}): {finding}")
            self._axe_runs = False
        self.page.emulate_media(color_scheme="light")
        return found

    def photograph(self, name: str) -> None:
        """A picture for the documentation, where SCREENSHOTS names a folder."""
        if folder := os.environ.get("SCREENSHOTS"):
            self._settle()
            self.page.screenshot(path=str(ROOT / folder / f"{name}.png"))

    def _settle(self) -> None:
        """What fades is neither one color nor the other."""
        self.page.evaluate("Promise.all(document.getAnimations().map(a => a.finished))")

    def _listen(self, message: object) -> None:
        text = str(getattr(message, "text", ""))
        if "Content Security Policy" in text and not self._axe_runs:
            self.violations.append(text)
