"""A category that is deleted in the admin: first at Azure, and then here."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_contentsafety.engine.samples import Sample, write_jsonl
from django_contentsafety.models import BuildJob, Category, Policy
from tests.admin.conftest import said, words
from tests.admin.test_story import upload, url
from tests.azure.lives import world
from tests.azure.plain import OLDER
from tests.building import settle

pytestmark = pytest.mark.django_db

SCRIPT = ["running", "running", "Rebalancing", "succeeded"]
#: Enough that some can be withheld and the service still has its fifty.
SAMPLES = write_jsonl(
    Sample(text=f"Send coins to wallet {n}.", is_positive=True) for n in range(80)
) + write_jsonl(
    Sample(text=f"See you at table {n}.", is_positive=False) for n in range(80)
)


def built(root: Client, category: Category) -> Any:
    """Freeze the samples and press Build; time passes, and the page says the end."""
    root.post(url("freeze", category))
    version = category.versions.latest("number")
    page = root.post(url("build", version), follow=True)
    assert "is queued" in said(page)
    settle()
    job = BuildJob.objects.get(version=version)
    assert "Succeeded" in words(root.get(url("change", job)))
    version.refresh_from_db()
    return version


def test_the_whole_category_goes(root: Client, settings: Any, policy: Policy) -> None:
    with world(settings, OLDER, script=SCRIPT) as site:
        defined = {"name": "scam", "definition": "Lures.", "provider": "remote"}
        root.post(reverse("admin:contentsafety_category_add"), defined)
        category = Category.objects.get()
        upload(root, category, SAMPLES)
        version = built(root, category)
        delete = url("delete", category)
        page = words(root.get(delete))
        assert (
            "Versions at the provider remote: 1. They are deleted there first" in page
        )
        assert site.azure.state.removals == {}
        page = root.post(delete, {"post": "yes"}, follow=True)
        assert "scam goes when its provider has deleted its versions." in said(page)
        assert "was deleted successfully" not in said(page)
        # What it shows meanwhile, and what it doesn't offer any more.
        page = words(root.get(url("change", category)))
        assert "Being deleted" in page
        assert "Freeze version" not in page
        assert "Upload samples" not in page
        page = words(root.post(delete, {"post": "yes"}))
        assert "scam is being deleted: it goes when its provider" in page
        settle()
        assert not Category.objects.exists()
        assert site.azure.state.removals == {"scam/1": 1}
        assert root.get(url("change", version)).status_code == 302
