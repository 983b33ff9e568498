from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_contentsafety.flows import build
from django_contentsafety.models import BuildJob, Category, CategoryVersion, Policy
from django_contentsafety.providers import providers


@pytest.fixture(autouse=True)
def quiet_provider() -> Any:
    """The dummy finds nothing, whatever an earlier test told it."""
    providers["default"].script = lambda text: {}
    yield
    providers["default"].script = lambda text: {}


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create_superuser("root", password="x")


@pytest.fixture
def root(client: Client, superuser: User) -> Client:
    client.force_login(superuser)
    return client


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """A client of a new staff member with just these permissions."""

    def make(*codenames: str) -> Client:
        user = User.objects.create_user(
            f"staff{User.objects.count()}", password="x", is_staff=True
        )
        for codename in codenames:
            user.user_permissions.add(
                Permission.objects.get(
                    codename=codename, content_type__app_label="contentsafety"
                )
            )
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def category(db: None) -> Category:
    return Category.objects.create(
        name="crypto-scam", definition="Lures.", provider="local"
    )


@pytest.fixture
def policy(db: None) -> Policy:
    # The test app names it, so migrating has founded it with default rules.
    return Policy.objects.get(slug="comments")


def samples(positives: int = 25, negatives: int = 25) -> bytes:
    """A file that the local provider builds in a moment."""
    lines = [
        {"text": f"double your coins now, offer {n} of the week", "isPositive": True}
        for n in range(positives)
    ]
    lines += [
        {"text": f"a walk by the river on day {n} was lovely", "isPositive": False}
        for n in range(negatives)
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def make_version(category: Category, *, ready: bool = True) -> CategoryVersion:
    """A version made by the dummy provider, with a card of the local one's shape."""
    Category.objects.filter(pk=category.pk).update(provider="default")
    category.refresh_from_db()
    if not category.samples.exists():
        build.import_samples(category, samples(2, 2), filename="f", by="")
    version = build.freeze(category, by="")
    if ready:
        build.run(build.start(version, by=""))
        CategoryVersion.objects.filter(pk=version.pk).update(card=CARD)
    version.refresh_from_db()
    return version


def make_job(category: Category, status: str) -> BuildJob:
    job = build.start(make_version(category, ready=False), by="")
    BuildJob.objects.filter(pk=job.pk).update(status=status)
    job.refresh_from_db()
    return job


CARD = {
    "method": "5-fold cross-validation",
    "metrics": {
        "threshold": 0.5,
        "true_positives": 1,
        "false_positives": 1,
        "false_negatives": 1,
        "true_negatives": 1,
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.51,
        "roc_auc": None,
        "average_precision": 0.6,
        "precision_interval": {"low": 0.1, "high": 0.9},
        "recall_interval": {"low": 0.1, "high": 0.9},
    },
    "worst_errors": [{"index": 0, "is_positive": True, "score": 0.2}],
    "warnings": ["4 samples: the interval is wide."],
}


class Elements(HTMLParser):
    """Every start tag of a page, and what must not be on it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def dangers(self) -> list[str]:
        """Inline scripts, styles and handlers; links that run something."""
        found = []
        for tag, attrs in self.tags:
            if tag == "style" or (
                tag == "script"
                and not attrs.get("src")
                and attrs.get("type") != "application/json"
            ):
                found.append(f"inline <{tag}>")
            for name, value in attrs.items():
                if name.startswith("on") or name == "style":
                    found.append(f"{tag} {name}={value}")
                if name in ("href", "src", "action", "formaction") and (
                    value or ""
                ).strip().lower().startswith(("javascript:", "data:", "vbscript:")):
                    found.append(f"{tag} {name}={value}")
        return found


def words(response: Any) -> str:
    """The text a person reads on the page."""
    return " ".join(" ".join(Elements(response.content.decode()).text).split())


def said(response: Any) -> str:
    """The messages on the page that a redirect ended at."""
    return " ".join(str(m) for m in response.context["messages"])
