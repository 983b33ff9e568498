"""Every page of the admin, looked over by axe-core, on light and on dark."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.contrib import admin
from django.urls import NoReverseMatch, reverse

from django_contentsafety.admin.base import SafetyAdmin
from tests.browser.conftest import ROOT
from tests.browser.person import Person

pytestmark = [pytest.mark.browser, pytest.mark.axe]

#: What the demo leaves without a row, or without a second version.
SEED = """
from django_contentsafety.flows import build
from django_contentsafety.models import Blocklist, BlocklistItem, Category
from django_contentsafety.models import Policy, Sample
listed = Blocklist.objects.create(name="rude words")
BlocklistItem.objects.create(blocklist=listed, term="booby")
Policy.objects.get().blocklists.add(listed)
category = Category.objects.get(pk=1)
Sample.objects.create(category=category, text="Walk by the river.", is_positive=False)
version = build.freeze(category, by="1")
build.run(build.start(version, by="1"))
"""


def paths() -> list[str]:
    """Each page of each admin of ours: Django's, and ours with their own names."""
    found = []
    for model_admin in admin.site._registry.values():
        if not isinstance(model_admin, SafetyAdmin):
            continue
        for pattern in model_admin.get_urls():
            if pattern.name is None:
                continue
            for args in ([], [2 if "categoryversion" in pattern.name else 1]):
                try:
                    found.append(reverse(f"admin:{pattern.name}", args=args))
                except NoReverseMatch:
                    continue
    return sorted(set(found))


@pytest.fixture
def filled(environment: dict[str, str], site: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", SEED],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=120,
    )


@pytest.mark.usefixtures("filled")
def test_nobody_is_kept_out(person: Person) -> None:
    opened, findings = set(), []
    for path in paths():
        answer = person.page.request.get(person.site + path, max_redirects=0)
        if answer.status != 200 or "text/html" not in answer.headers["content-type"]:
            continue  # A button, or a file.
        if "<html" not in answer.text():
            continue  # A part of a page, which moves by it.
        opened.add(path)
        person.open(path)
        findings += person.findings()
    assert not findings, "\n".join(findings)
    # Each list and each row's page at least.
    assert len(opened) > 40
