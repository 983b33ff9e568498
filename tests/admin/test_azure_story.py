"""The story of the custom categories how-to by the admin alone, in both dialects."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_contentsafety.engine.samples import Sample, write_jsonl
from django_contentsafety.models import BuildJob, Category, Policy, PolicyRule
from tests.admin.conftest import said, words
from tests.admin.test_adopting import address, listing
from tests.admin.test_story import rule_form, upload, url
from tests.azure.lives import world
from tests.azure.plain import NEWER, OLDER
from tests.building import pass_time, settle

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


def tried(root: Client, category: Category, text: str) -> str:
    pass_time()
    return words(root.post(url("try_it", category), {"text": text, "remote": "on"}))


@pytest.mark.parametrize("dialect", [OLDER, NEWER])
def test_the_story_of_a_category(
    root: Client, settings: Any, policy: Policy, dialect: str
) -> None:
    options = {"words": {"coins": {"scam": 1}}, "script": SCRIPT}
    with world(settings, dialect, **options) as site:
        # Define, upload, freeze, build.
        defined = {"name": "scam", "definition": "Lures.", "provider": "remote"}
        root.post(reverse("admin:contentsafety_category_add"), defined)
        category = Category.objects.get()
        assert "160 samples were added." in said(upload(root, category, SAMPLES))
        first = built(root, category)
        state = site.azure.state
        assert bytes(first.samples_jsonl) == state.versions["scam"][1].samples

        # Activate, and have a policy ask it.
        root.post(url("activate", first), {"reason": "To tell the story."})
        category.refresh_from_db()
        assert category.active_version == first
        PolicyRule.objects.all().delete()
        rule = {"category": "scam", "provider": "remote", "scale": "detected"}
        form = rule_form(policy, **rule, review_at="", block_at="1")
        root.post(url("change", policy), form)
        assert policy.rules.get().category == "scam"

        # Analyze.
        assert "comments Shadow Block" in tried(root, category, "Coins for you.")
        assert "comments Shadow Allow" in tried(root, category, "Flowers for you.")

        # List: it is there, and it is ours.
        page = listing(root)
        assert [row["here"] for row in page.context["rows"]] == ["scam v1"]
        assert address("categoryversion_change", first) in page.content.decode()

        # Delete: once another one answers.
        more = b'{"text": "More coins."}\n'
        upload(root, category, more)
        second = built(root, category)
        root.post(url("activate", second), {"reason": "To tell the story."})
        page = root.post(url("remove", first), {"reason": "old"}, follow=True)
        assert "is being deleted" in said(page)
        settle()
        first.refresh_from_db()
        assert first.status == "deleted"
        assert sorted(state.versions["scam"]) == [2]
        assert [row["here"] for row in listing(root).context["rows"]] == ["scam v2"]
        # Each thing was done once, and the first one's samples went with it.
        assert (state.registrations, state.builds, state.removals) == (
            {"scam": 2},
            {"scam/1": 1, "scam/2": 1},
            {"scam/1": 1},
        )
        assert len(site.blobs.created) == 2
        assert list(site.blobs.deleted.values()) == [1]


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
