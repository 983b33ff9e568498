"""Custom categories at the scripted Azure: what is adopted, waited for, and said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from django_contentsafety.exceptions import (
    DeadlineExceeded,
    Gone,
    NotFound,
    ProtocolError,
    SlotsFull,
)
from django_contentsafety.flows import build, pacing, removing
from django_contentsafety.models import BuildJob, CategoryVersion
from django_contentsafety.providers import providers
from django_contentsafety.providers.azure import building as azure_building
from django_contentsafety.providers.azure.limits import MAX_BYTES
from django_contentsafety.testing.azure.wire import gateway
from django_contentsafety.testing.fault_server import answer, reset, status
from django_contentsafety.testing.trainer import Fault
from tests.building import settle

from .blobs import SAMPLES as SAMPLE, build_request, removal_request
from .lives import SAMPLES, World, freeze, world
from .plain import NEWER, OLDER

pytestmark = pytest.mark.django_db

SCAM = "/text/categories/scam"


@pytest.fixture
def site(settings: Any, dialect: str) -> Iterator[World]:
    with world(settings, dialect) as site:
        yield site


@pytest.fixture
def provider(site: World) -> Any:
    return providers["remote"]


def ended(job: BuildJob) -> BuildJob:
    settle()
    job.refresh_from_db()
    return job


def built(number: int = 1) -> CategoryVersion:
    version = freeze("remote", number)
    assert ended(build.start(version, by="7")).status == "succeeded"
    version.refresh_from_db()
    return version


def theirs(site: World, name: str = "scam", url: str = "") -> None:
    """Somebody else makes a version."""
    provider = providers["remote"]
    provider.builder._versions.register(
        name,
        {
            "categoryName": name,
            "definition": "Others'.",
            "sampleBlobUrl": url or next(iter(urls(site))),
        },
    )


def urls(site: World) -> Iterator[str]:
    held = providers["remote"].builder._blobs
    held.upload(build_request(9))
    yield held.url_of(build_request(9))


# --- Adopted, not made again -------------------------------------------------------


@pytest.mark.parametrize("others", range(3))
def test_an_own_version_is_found_among_others(
    settings: Any, dialect: str, others: int
) -> None:
    """Assumed: without a number only the latest version may be shown."""
    with world(settings, dialect, max_versions=5) as site:
        site.azure.fail("register", Fault(reset(), acts=True))
        job = build.run(build.start(freeze("remote"), by="7"))
        assert job.status == "registering"
        for _ in range(others):
            theirs(site)
        assert ended(job).status == "succeeded"
        assert site.azure.state.registrations == {"scam": 1 + others}
        assert job.version.builds.get().version.provider_version == "1"


def test_all_versions_may_be_shown_at_once(settings: Any, dialect: str) -> None:
    with world(settings, dialect, shows_all=True) as site:
        theirs(site)
        site.azure.fail("register", Fault(status(500), acts=True))
        assert ended(build.start(freeze("remote"), by="7")).status == "succeeded"
        assert site.azure.state.registrations == {"scam": 2}


def test_another_definition_is_anothers(site: World, provider: Any) -> None:
    assert provider.register(build_request()) == "1"
    assert provider.register(build_request()) == "1"
    assert provider.register(build_request(definition="Other.")) == "2"


def test_a_build_that_failed_is_built_again_in_its_place(
    settings: Any, dialect: str
) -> None:
    error = ("TooAlike", "The samples are too alike.")
    with world(settings, dialect, script=["failed"], error=error) as site:
        version = freeze("remote")
        job = ended(build.start(version, by="7"))
        assert (job.status, site.azure.state.builds) == ("failed", {"scam/1": 1})
        assert "The samples are too alike." in job.error_message
        assert job.error_message.startswith("The service could not build it (")
        site.azure.script = ["succeeded"]
        assert ended(build.start(version, by="7")).status == "succeeded"
        assert site.azure.state.builds == {"scam/1": 2}
        assert site.azure.state.registrations == {"scam": 1}


def test_a_build_that_failed_before_its_worker_looked_is_not_begun_again(
    settings: Any, dialect: str
) -> None:
    """The older dialect knows no operations of ours: it goes by the time."""
    with world(settings, dialect, script=["failed"]) as site:
        version, provider = freeze("remote"), providers["remote"]
        build.start(version, by="7")
        asked = BuildJob.objects.get().created_at
        request = build_request(asked_at=asked)
        number = provider.register(request)
        provider.submit(request, number)
        provider.poll(request, number, lambda phase, part: None)
        assert site.azure.state.versions["scam"][1].status == "failed"
        # The worker died; the next one does not know.
        provider.submit(request, number)
        assert site.azure.state.builds == {"scam/1": 1}


def test_what_the_service_says_of_samples_is_not_repeated(
    settings: Any, dialect: str
) -> None:
    error = ("BadSample", "Look at 'Send coins to wallet 7.' again.")
    with world(settings, dialect, script=["failed"], error=error):
        job = ended(build.start(freeze("remote"), by="7"))
    assert job.status == "failed"
    assert "wallet" not in job.error_message


@pytest.mark.parametrize("word", ["queued", "Rebalancing", "CopyingSamples"])
def test_an_unknown_word_is_kept_and_polled_on(
    settings: Any, dialect: str, word: str
) -> None:
    with world(settings, dialect, script=[word, word, "succeeded"]):
        job = build.run(build.start(freeze("remote"), by="7"))
        assert (job.status, job.raw_status) == ("building", word)
        assert ended(job).status == "succeeded"


def test_hours_of_polls(settings: Any, dialect: str) -> None:
    with world(settings, dialect, script=["running"] * 60 + ["succeeded"]) as site:
        job = ended(build.start(freeze("remote"), by="7"))
        assert (job.status, job.poll_count) == ("succeeded", 61)
        assert site.azure.state.builds == {"scam/1": 1}


def test_a_forgotten_operation_is_looked_up_by_its_version(settings: Any) -> None:
    with world(settings, NEWER, script=["running", "running", "succeeded"]) as site:
        job = build.run(build.start(freeze("remote"), by="7"))
        site.azure.forget_operations()
        assert ended(job).status == "succeeded"
        assert site.azure.state.builds == {"scam/1": 1}


@pytest.mark.parametrize("said", [{"id": "cs-0-0"}, {}])
def test_an_operation_of_another_id_says_nothing_of_ours(
    settings: Any, said: dict[str, str]
) -> None:
    with world(settings, NEWER) as site:
        reply = answer({**said, "status": "Succeeded"})
        site.azure.fail("operation", Fault(reply))
        job = build.run(build.start(freeze("remote"), by="7"))
        assert (job.status, job.error_code) == ("submitting", "protocol")
        assert ended(job).status == "succeeded"
        assert site.azure.state.builds == {"scam/1": 1}


def test_our_operation_id_is_the_services(settings: Any) -> None:
    with world(settings, NEWER) as site:
        job = ended(build.start(freeze("remote"), by="7"))
        assert site.azure.state.started == [job.operation_id]


def test_the_url_that_the_service_is_given_opens_nothing(site: World) -> None:
    built()
    url = site.azure.state.versions["scam"][1].blob_url
    assert url.endswith(".jsonl")
    assert "?" not in url


def test_a_version_nobody_began_to_build_needs_a_person(
    settings: Any, dialect: str
) -> None:
    """Right after it was begun the service may not say so yet."""
    with world(settings, dialect) as site:
        provider = providers["remote"]
        number = provider.register(build_request())
        state = provider.poll(build_request(), number, lambda phase, part: None)
        assert state.status == "running"
        old = datetime.now(UTC) - timedelta(hours=2)
        site.azure.state.versions["scam"][1].created = old.strftime(
            "%Y-%m-%dT%H:%M:%S.%f0Z"
        )
        with pytest.raises(NotFound, match="no build of v1"):
            provider.poll(build_request(), number, lambda phase, part: None)


# --- Waited for --------------------------------------------------------------------


@pytest.mark.parametrize("code", [400, 403, 409, 422])
def test_a_build_waits_for_another_of_its_category(
    settings: Any, dialect: str, code: int
) -> None:
    """Assumed: whatever the service says of a second build at a time."""
    assumed = {"building already": (code, "Whatever")}
    script = ["running"] * 6 + ["succeeded"]
    with world(settings, dialect, script=script, assumed=assumed) as site:
        first, second = freeze("remote"), freeze("remote", 2)
        job = build.run(build.start(first, by="7"))
        build.cancel(job, by="7")
        job = build.run(build.start(second, by="7"))
        assert (job.status, job.error_code) == ("submitting", "conflict")
        assert "waits for that one" in job.error_message
        # Azure goes on by itself; nobody here looks.
        for _ in range(8):
            providers["remote"].builder._versions.find("scam", 1)
        assert ended(job).status == "succeeded"
        assert site.azure.state.builds == {"scam/1": 1, "scam/2": 1}


@pytest.mark.parametrize("code", [400, 409])
def test_a_deletion_waits_for_the_build(settings: Any, dialect: str, code: int) -> None:
    assumed = {"deleted while building": (code, "Whatever")}
    script = ["running"] * 8 + ["succeeded"]
    with world(settings, dialect, script=script, assumed=assumed) as site:
        version = freeze("remote")
        build.cancel(build.run(build.start(version, by="7")), by="7")
        version.refresh_from_db()
        removing.delete(version, by="7")
        removing.run(version)
        assert version.status == "deleting"
        assert "when that has ended" in version.removal_words
        settle()
        version.refresh_from_db()
        assert version.status == "deleted"
        assert site.azure.state.removals == {"scam/1": 1}


# --- Full --------------------------------------------------------------------------


@pytest.mark.parametrize("code", [400, 403, 409])
def test_full_of_versions(settings: Any, dialect: str, code: int) -> None:
    assumed = {"too many versions": (code, "Whatever")}
    with world(settings, dialect, assumed=assumed) as site:
        for _ in range(3):
            theirs(site)
        job = ended(build.start(freeze("remote"), by="7"))
        assert (job.status, job.error_code) == ("needs_attention", "slots")
        with pytest.raises(SlotsFull, match="3 versions of scam") as caught:
            providers["remote"].register(build_request())
        assert caught.value.limit == 3
        assert sorted(caught.value.held) == [("scam", str(n)) for n in (1, 2, 3)]
        # A person deletes one of them, and tries again.
        providers["remote"].builder._versions.delete("scam", 2)
        if dialect == OLDER:
            for _ in range(3):
                providers["remote"].builder._versions.find("scam", 2)
        build.try_again(job, by="7")
        assert ended(job).status == "succeeded"


def test_full_of_categories(site: World, provider: Any) -> None:
    for name in ("one", "two", "three"):
        theirs(site, name)
    with pytest.raises(SlotsFull, match="3 categories") as caught:
        provider.register(build_request())
    assert {name for name, _ in caught.value.held} == {"one", "two", "three"}
    assert site.azure.state.registrations["scam"] == 0


def test_a_refusal_of_samples_is_told_with_what_the_service_needs(
    settings: Any, dialect: str
) -> None:
    with world(settings, dialect) as site:
        site.azure.read_blob = _forbid
        job = ended(build.start(freeze("remote"), by="7"))
    assert (job.status, job.error_code) == ("needs_attention", "content")
    assert "Storage Blob Data Contributor" in job.error_message


def _forbid(url: str) -> bytes:
    raise PermissionError


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((49, 0, 100), "at least 50"),
        ((5001, 0, 100), "50 to 5000 positive samples, there are 5001"),
        ((5000, 5001, 100), "at most 10000 samples"),
        ((50, 0, MAX_BYTES + 1), "128000 bytes"),
        ((50, 0, MAX_BYTES), ""),
    ],
)
def test_what_samples_lack(provider: Any, counts: Any, words: str) -> None:
    lacking = " ".join(provider.lacks(*counts))
    assert words in lacking
    assert bool(lacking) == bool(words)


def test_without_a_container_nothing_is_frozen(settings: Any, site: World) -> None:
    options = settings.CONTENTSAFETY_PROVIDERS["remote"]["OPTIONS"]
    kept = {name: options[name] for name in ("endpoint", "key")}
    settings.CONTENTSAFETY_PROVIDERS = {
        "remote": {**settings.CONTENTSAFETY_PROVIDERS["remote"], "OPTIONS": kept}
    }
    (words,) = providers["remote"].lacks(50, 0, 100)
    assert "blob_container" in words
    with pytest.raises(Exception, match="blob_container"):
        providers["remote"].register(build_request())


# --- Gone, and what is there -------------------------------------------------------


def test_a_retired_service_says_what_lives_on(settings: Any, dialect: str) -> None:
    with world(settings, dialect, retired=[dialect]):
        job = ended(build.start(freeze("remote"), by="7"))
    assert (job.status, job.error_code) == ("needs_attention", "gone")
    assert "AzureIncidents" in job.error_message


def test_a_category_that_is_missing_as_a_path_is(settings: Any, dialect: str) -> None:
    """Assumed: what a service that is there answers about what isn't."""
    assumed = {"no such version": (404, "404"), "no such operation": (404, "404")}
    with world(settings, dialect, assumed=assumed) as site:
        version = built()
        removing.delete(version, by="7")
        settle()
        version.refresh_from_db()
        assert version.status == "deleted"
        assert site.azure.state.registrations == {"scam": 1}


def test_a_gateways_404_is_not_taken_for_missing(site: World, provider: Any) -> None:
    gone = Fault(gateway(404, "Resource not found"))
    site.azure.fail("look", gone)
    site.azure.fail("list", gone)
    with pytest.raises(Gone):
        provider.register(build_request())
    assert not site.azure.state.registrations


def test_what_is_missing_is_believed_where_the_list_is_one(
    site: World, provider: Any
) -> None:
    provider.register(build_request())
    site.azure.fail("look", Fault(gateway(404, "Resource not found")))
    site.azure.fail("list", Fault(answer({"hello": "world"})))
    with pytest.raises(ProtocolError, match="no list of values"):
        provider.removal(removal_request(sha256(SAMPLE).hexdigest()))
    # Taken for gone, it would have lost its samples.
    assert site.blobs.held


def test_the_services_own_words_for_a_deletion_that_failed(settings: Any) -> None:
    error = ("InUse", "It is in use.")
    with world(settings, OLDER, removal=["failed"], error=error) as site:
        version = built()
        removing.delete(version, by="7")
        settle()
        version.refresh_from_db()
        assert version.status == "delete_failed"
        assert version.removal_words == (
            "The service could not delete it (InUse: It is in use.)."
        )
        # Its samples stay until the version is gone.
        assert site.blobs.held
        site.azure.removal = ["deleting"]
        removing.delete(version, by="7")
        settle()
        version.refresh_from_db()
        assert (version.status, site.blobs.held) == ("deleted", {})


def test_a_number_that_was_given_again_is_anothers(settings: Any, dialect: str) -> None:
    """Assumed: whether numbers are used again."""
    with world(settings, dialect, reuses_numbers=True) as site:
        provider = providers["remote"]
        assert provider.register(build_request()) == "1"
        del site.azure.state.versions["scam"][1]
        assert provider.register(build_request(2)) == "1"
        request = removal_request("0" * 64)
        provider.remove(request)
        assert provider.removal(request).status == "gone"
        assert site.azure.state.removals == {}


@pytest.mark.parametrize("shows_all", [False, True])
def test_the_catalog_has_every_version_of_every_page(
    settings: Any, dialect: str, shows_all: bool
) -> None:
    with world(settings, dialect, shows_all=shows_all, page_size=1) as site:
        built()
        theirs(site)
        theirs(site, "spam")
        # One in between was deleted.
        theirs(site, "spam")
        theirs(site, "spam")
        del site.azure.state.versions["spam"][2]
        found = providers["remote"].catalog()
        assert sorted(
            (one.name, one.provider_version, one.status) for one in found
        ) == [
            ("scam", "1", "ready"),
            ("scam", "2", "frozen"),
            ("spam", "1", "frozen"),
            ("spam", "3", "frozen"),
        ]
        ready = next(one for one in found if one.status == "ready")
        assert ready.definition == "Scams."
        assert datetime.fromisoformat(ready.created).tzinfo


def test_a_catalog_that_lacks_a_part_is_none(site: World, provider: Any) -> None:
    theirs(site)
    site.azure.fail("look", Fault(status(503)))
    with pytest.raises(Exception, match="503"):
        provider.catalog()


def test_two_workers_do_not_both_build(site: World, provider: Any) -> None:
    """The one that was thought to be dead was quicker."""
    mine = build_request(samples=SAMPLES)
    number = provider.register(mine)
    provider.submit(mine, number)
    late = build_request(samples=SAMPLES, operation_id="cs-late-0")
    provider.submit(late, number)
    assert site.azure.state.builds == {"scam/1": 1}
    state = provider.poll(late, number, lambda phase, part: None)
    assert state.status == "succeeded"


@pytest.mark.parametrize("step", ["register", "submit", "poll", "remove", "removal"])
def test_a_step_ends_before_its_workers_lease(
    provider: Any, monkeypatch: Any, step: str
) -> None:
    """Or another worker would begin the same meanwhile."""
    assert pacing.LEASE.total_seconds() > azure_building.STEP_SECONDS
    monkeypatch.setattr(azure_building, "STEP_SECONDS", 0.0)
    if step in ("remove", "removal"):
        arguments: tuple[Any, ...] = (removal_request("0" * 64),)
    else:
        arguments = (build_request(), "1", lambda phase, part: None)
    arity = {"register": 1, "submit": 2, "poll": 3}.get(step, 1)
    with pytest.raises(DeadlineExceeded):
        getattr(provider, step)(*arguments[:arity])


@pytest.mark.parametrize("after", ["running", "succeeded"])
def test_a_conflict_is_looked_into(settings: Any, dialect: str, after: str) -> None:
    """Somebody was quicker between our look and our order."""
    with world(settings, dialect, script=[after]) as site:
        provider, mine = providers["remote"], build_request(samples=SAMPLES)
        number = provider.register(mine)
        site.azure.fail("build", Fault(status(409), acts=True))
        provider.submit(mine, number)
        assert site.azure.state.builds == {"scam/1": 1}
