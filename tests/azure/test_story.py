"""The story of the custom categories how-to, told by a site, in both dialects.

Define a category, upload samples to a real blob storage, register and build a version,
poll, analyze, look, list, delete; with a worker that is killed in the middle of the
build, and a service that is restarted.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from django_contentsafety.engine.samples import Sample, write_jsonl
from django_contentsafety.flows.moderate import drain
from django_contentsafety.http import close_sessions
from django_contentsafety.models import (
    BuildJob,
    CategoryVersion,
    PolicyRule,
)
from django_contentsafety.testing.azure import AzureService
from django_contentsafety.testing.fault_server import FaultServer
from django_contentsafety.testing.trainer import Fault
from tests.building import PATIENT, pass_time, settle
from tests.policies import make_due, make_policy, state_of
from tests.test_category_command import report, run
from tests.testapp.models import Comment

from .azurite import Azurite
from .plain import KEY

pytestmark = [pytest.mark.azurite, pytest.mark.django_db(transaction=True)]

BACKEND = "django_contentsafety.providers.azure_content_safety.AzureContentSafety"
#: Enough that some can be withheld and the service still has its fifty.
SAMPLES = [
    Sample(text=f"Send coins to wallet {n}, today.", is_positive=True)
    for n in range(80)
] + [
    Sample(text=f"See you at table {n}, on Monday.", is_positive=False)
    for n in range(80)
]
#: Hours of polls, in as many words.
SCRIPT = ["running"] * 5 + ["Rebalancing", "running", "succeeded"]
LOOKS = ("look", "operation")


class Site:
    """A site beside the scripted Azure and a real blob storage."""

    def __init__(self, settings: Any, azurite: Azurite, dialect: str) -> None:
        self._settings, self._azurite, self._dialect = settings, azurite, dialect
        self._server: FaultServer | None = None
        # Each dialect's own, because Azurite is everybody's.
        self.container = f"story-{dialect[5:7]}"
        azurite.container(self.container)
        #: The worker that dies of its next look at the build.
        self.doomed: list[int] = []
        self.start(None)

    def start(self, state: Any) -> None:
        """The service, with what it knew: at another address, as after a move."""
        self.stop()
        self.azure = AzureService(
            state=state,
            key=KEY,
            words={"coins": {"scam": 1}},
            script=SCRIPT,
            read_blob=self._azurite.read,
            chance=self._kill,
            refuses=False,
        )
        self._server = FaultServer(self.azure).__enter__()
        self._settings.CONTENTSAFETY_PROVIDERS = self.providers

    def stop(self) -> None:
        close_sessions()
        if self._server is not None:
            self._server.close()

    @property
    def providers(self) -> dict[str, Any]:
        assert self._server is not None
        options = {
            "endpoint": self._server.url,
            "key": KEY,
            "categories_api_version": self._dialect,
            "blob_container": self.container,
            "blob_connection_string": self._azurite.connection_string,
            **PATIENT,
        }
        return {
            **self._settings.CONTENTSAFETY_PROVIDERS,
            "azure": {"BACKEND": BACKEND, "OPTIONS": options},
        }

    def _kill(self, step: str) -> Fault | None:
        if step in LOOKS and self.doomed:
            os.kill(self.doomed.pop(), signal.SIGKILL)
        return None


@pytest.fixture
def site(settings: Any, azurite: Azurite, dialect: str) -> Iterator[Site]:
    site = Site(settings, azurite, dialect)
    yield site
    site.stop()


def kill_a_worker(site: Site, environment: dict[str, str]) -> None:
    """One looks at the build, and is killed before it hears the answer."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "django", "contentsafety_sweep", "--once"],
        env={
            **environment,
            "DJANGO_SETTINGS_MODULE": "tests.azure.site",
            "TEST_PROVIDERS": json.dumps(site.providers),
        },
    )
    site.doomed.append(worker.pid)
    try:
        assert worker.wait(180) == -signal.SIGKILL
    finally:
        worker.kill()


def test_the_story_of_a_category(
    site: Site,
    azurite: Azurite,
    tmp_path: Path,
    process_environment: dict[str, str],
) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_bytes(write_jsonl(SAMPLES))
    run("create", "scam", "--definition", "Scams.", "--provider", "azure")
    run("import", file, "--into", "scam")
    run("freeze", "scam")
    run("build", "scam")
    job = BuildJob.objects.get()
    while job.status not in ("building", "needs_attention"):
        pass_time()
        run("build", "scam")
        job.refresh_from_db()
    assert job.status == "building", job.error_message

    # A worker dies, the service is restarted, and the build knows nothing of either.
    pass_time()
    kill_a_worker(site, process_environment)
    held = site.azure.state.versions["scam"][1].polls
    site.start(site.azure.state)
    settle()
    job.refresh_from_db()
    assert (job.status, job.error_message) == ("succeeded", "")
    state = site.azure.state
    assert 0 < held < state.versions["scam"][1].polls
    assert (state.registrations, state.builds) == ({"scam": 1}, {"scam/1": 1})

    # What was frozen was uploaded, and what was uploaded is what was built from.
    version = CategoryVersion.objects.get()
    there = state.versions["scam"][1]
    assert there.blob_url.startswith(f"{azurite.url}/{site.container}/scam-v1-")
    frozen = bytes(version.samples_jsonl)
    assert azurite.read(there.blob_url) == there.samples == frozen
    # Of what was withheld it knows nothing, and its card is made from that.
    assert frozen.count(b"\n") < len(SAMPLES)
    assert report("card", "scam", "--version", "1")

    # Analyze.
    run("activate", "scam", "--override", "To tell the story.")
    PolicyRule.objects.create(
        policy=make_policy(),
        provider="azure",
        category="scam",
        scale="detected",
        review_at=None,
        block_at=1,
    )
    bad = Comment.objects.create(body="Coins for you.")
    fine = Comment.objects.create(body="Flowers for you.")
    for _ in range(10):
        # Of the quota something is there again each time.
        pass_time()
        make_due("default")
        drain("default")
    assert (state_of(bad).decision, state_of(fine).decision) == ("block", "allow")

    # Get and list: it is there, and it is ours.
    (found,) = report("adopt", "--provider", "azure")["found"]
    assert (found["name"], found["provider_version"]) == ("scam", "1")
    (compared,) = report("compare", "--provider", "azure")["providers"]
    assert (compared["looked_for"], compared["gone"]) == (1, [])

    # Delete: once another one answers.
    more = tmp_path / "more.jsonl"
    more.write_bytes(write_jsonl([Sample(text="More coins.", is_positive=True)]))
    run("import", more, "--into", "scam")
    run("freeze", "scam")
    run("build", "scam")
    settle()
    run("activate", "scam", "--version", "2", "--override", "To tell the story.")
    run("delete", "scam", "--version", "1")
    settle()
    version.refresh_from_db()
    assert version.status == "deleted"
    assert sorted(state.versions["scam"]) == [2]
    assert (state.builds, state.removals) == (
        {"scam/1": 1, "scam/2": 1},
        {"scam/1": 1},
    )
    with pytest.raises(FileNotFoundError):
        azurite.read(there.blob_url)
    assert azurite.read(state.versions["scam"][2].blob_url)
