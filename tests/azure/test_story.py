"""The story of the custom categories how-to, in both dialects, by the commands and in
the admin.

Define a category, upload samples to a real blob storage, register and build a version,
poll, analyze, look, list, delete; with a worker that is killed in the middle of the
build, and a service that is restarted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from django_contentsafety.engine.samples import Sample, write_jsonl
from django_contentsafety.flows import upkeep
from django_contentsafety.models import BuildJob, CategoryVersion, PolicyRule
from tests.building import pass_time, settle

from .azurite import Azurite
from .restarts import Site
from .tellers import Admin, Shell, Teller

pytestmark = [pytest.mark.azurite, pytest.mark.django_db(transaction=True)]

#: Enough that some can be withheld and the service still has its fifty.
SAMPLES = write_jsonl(
    Sample(text=f"{words} {number}, today.", is_positive=is_positive)
    for words, is_positive in (
        ("Send coins to wallet", True),
        ("See you at table", False),
    )
    for number in range(80)
)


@pytest.fixture
def site(settings: Any, azurite: Azurite, dialect: str) -> Iterator[Site]:
    site = Site(settings, azurite, dialect)
    yield site
    site.stop()


@pytest.fixture(params=[Shell, Admin])
def teller(
    request: pytest.FixtureRequest, transactional_db: None, tmp_path: Path
) -> Any:
    # What other policies ask is no part of the story.
    PolicyRule.objects.all().delete()
    return request.param(tmp_path)


def begun(version: CategoryVersion) -> BuildJob:
    """Its build, once housekeeping has come by until the service builds."""
    job = BuildJob.objects.get(version=version)
    for _ in range(9):
        if job.status == "building":
            break
        pass_time()
        upkeep.advance_builds()
        job.refresh_from_db()
    assert job.status == "building", job.error_message
    return job


def test_the_story_of_a_category(
    site: Site, azurite: Azurite, teller: Teller, process_environment: dict[str, str]
) -> None:
    teller.define()
    assert teller.upload(SAMPLES) == 160
    teller.freeze()
    first = CategoryVersion.objects.get()
    teller.build()
    job = begun(first)

    # A worker dies, the service is restarted, and the build knows nothing of either.
    pass_time()
    site.kill_a_worker(process_environment)
    job.refresh_from_db()
    assert (job.status, bool(job.lease_token)) == ("building", True)
    there = site.state.versions["scam"][1]
    looked = there.polls
    site.restart()
    settle()
    job.refresh_from_db()
    assert (job.status, job.error_message) == ("succeeded", "")
    assert 0 < looked < there.polls
    assert (site.state.registrations, site.state.builds) == (
        {"scam": 1},
        {"scam/1": 1},
    )

    # What was frozen was uploaded, and what was uploaded is what was built from.
    assert there.blob_url.startswith(f"{azurite.url}/{site.container}/scam-v1-")
    frozen = bytes(first.samples_jsonl)
    assert azurite.read(there.blob_url) == there.samples == frozen
    # Of what was withheld it knows nothing, and its card is made from that.
    assert frozen.count(b"\n") < 160
    assert teller.is_measured(first)

    # Analyze.
    teller.activate(first)
    teller.ask_by_policy()
    assert teller.decide("Coins for you.") == "block"
    assert teller.decide("Flowers for you.") == "allow"

    # Get and list: it is there, and it is ours.
    assert teller.listed() == [1]

    # Delete: once another one answers.
    assert teller.upload(b'{"text": "More coins."}\n') == 1
    teller.freeze()
    teller.build()
    settle()
    second = CategoryVersion.objects.get(number=2)
    teller.activate(second)
    teller.delete(first)
    settle()
    first.refresh_from_db()
    assert first.status == "deleted"
    assert teller.listed() == [2]
    assert sorted(site.state.versions["scam"]) == [2]
    # Each thing was done once, and the first one's samples went with it.
    assert (site.state.registrations, site.state.builds, site.state.removals) == (
        {"scam": 2},
        {"scam/1": 1, "scam/2": 1},
        {"scam/1": 1},
    )
    with pytest.raises(FileNotFoundError):
        azurite.read(there.blob_url)
    assert azurite.read(site.state.versions["scam"][2].blob_url)
