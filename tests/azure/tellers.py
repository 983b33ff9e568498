"""Who takes a category through its life: a person at a shell, or one in the admin."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from django_contentsafety.models import BuildJob, Category, CategoryVersion, Policy
from tests.admin.conftest import said, words
from tests.admin.test_adopting import address, listing
from tests.admin.test_story import rule_form, upload, url
from tests.building import pass_time
from tests.policies import make_due, state_of
from tests.test_category_command import report, run
from tests.testapp.models import Comment

WHY = "To tell the story."


class Teller(Protocol):
    """The category is ``scam`` at ``remote``; the policy is ``comments``."""

    def __init__(self, folder: Path) -> None: ...

    def define(self) -> None: ...

    def upload(self, samples: bytes) -> int:
        """How many were added."""

    def freeze(self) -> None: ...

    def build(self) -> None:
        """Ask for it, and wait for nothing."""

    def is_measured(self, version: CategoryVersion) -> bool:
        """Whether its build is told to have succeeded, and its card is there."""

    def activate(self, version: CategoryVersion) -> None: ...

    def ask_by_policy(self) -> None:
        """Block what the category detects."""

    def decide(self, text: str) -> str:
        """What the policy decides about ``text``."""

    def listed(self) -> list[int | None]:
        """Of what the service keeps, the numbers of our versions."""

    def delete(self, version: CategoryVersion) -> None: ...


class Shell:
    """By the commands alone."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "samples.jsonl"

    def define(self) -> None:
        run("create", "scam", "--definition", "Scams.", "--provider", "remote")

    def upload(self, samples: bytes) -> int:
        self._file.write_bytes(samples)
        added: int = report("import", self._file, "--into", "scam")["added"]
        return added

    def freeze(self) -> None:
        run("freeze", "scam")

    def build(self) -> None:
        assert "goes on in the background" in run("build", "scam")

    def is_measured(self, version: CategoryVersion) -> bool:
        shown = report("card", "scam", "--version", version.number)
        return bool(shown["card"])

    def activate(self, version: CategoryVersion) -> None:
        run("activate", "scam", "--version", version.number, "--override", WHY)

    def ask_by_policy(self) -> None:
        rule = "--rule", "remote/scam:detected::1"
        call_command("contentsafety_policy", "comments", *rule)

    def decide(self, text: str) -> str:
        comment = Comment.objects.create(body=text)
        state = state_of(comment)
        for _ in range(9):
            # Of the quota something is there again each time.
            pass_time()
            make_due("default")
            call_command("contentsafety_drain", "--database", "default")
            state.refresh_from_db()
            if state.decision:
                break
        return str(state.decision)

    def listed(self) -> list[int | None]:
        (compared,) = report("compare", "--provider", "remote")["providers"]
        assert compared["gone"] == []
        found = report("adopt", "--provider", "remote")["found"]
        return [one["version"] for one in found]

    def delete(self, version: CategoryVersion) -> None:
        run("delete", "scam", "--version", version.number)


class Admin:
    """By its pages alone."""

    def __init__(self, folder: Path) -> None:
        self._client = Client()
        self._client.force_login(User.objects.create_superuser("root"))

    def define(self) -> None:
        defined = {"name": "scam", "definition": "Scams.", "provider": "remote"}
        self._client.post(reverse("admin:contentsafety_category_add"), defined)

    def upload(self, samples: bytes) -> int:
        told = said(upload(self._client, self._category, samples))
        added = re.match("([0-9]+) samples? (was|were) added", told)
        assert added, told
        return int(added[1])

    def freeze(self) -> None:
        self._client.post(url("freeze", self._category))

    def build(self) -> None:
        version = self._category.versions.latest("number")
        page = self._client.post(url("build", version), follow=True)
        assert "is queued" in said(page)

    def is_measured(self, version: CategoryVersion) -> bool:
        job = BuildJob.objects.get(version=version)
        told = words(self._client.get(url("change", job)))
        return "Succeeded" in told and "Precision" in words(
            self._client.get(url("change", version))
        )

    def activate(self, version: CategoryVersion) -> None:
        self._client.post(url("activate", version), {"reason": WHY})

    def ask_by_policy(self) -> None:
        policy = Policy.objects.get(slug="comments")
        rule = {"category": "scam", "provider": "remote", "scale": "detected"}
        form = rule_form(policy, **rule, review_at="", block_at="1")
        self._client.post(url("change", policy), form)

    def decide(self, text: str) -> str:
        pass_time()
        tried = {"text": text, "remote": "on"}
        page = words(self._client.post(url("try_it", self._category), tried))
        decided = re.search("comments Shadow ([A-Z][a-z]+)", page)
        assert decided, page
        return decided[1].lower()

    def listed(self) -> list[int | None]:
        page = listing(self._client)
        names = [row["here"] for row in page.context["rows"]]
        ours = {f"scam v{one.number}": one for one in self._category.versions.all()}
        for name in filter(None, names):
            there = address("categoryversion_change", ours[name])
            assert there in page.content.decode()
        return [ours[name].number if name else None for name in names]

    def delete(self, version: CategoryVersion) -> None:
        page = self._client.post(url("remove", version), {"reason": WHY}, follow=True)
        assert "is being deleted" in said(page)

    @property
    def _category(self) -> Any:
        return Category.objects.get()
