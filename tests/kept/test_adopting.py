"""What a provider keeps already becomes a category and versions here."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections

from django_contentsafety.exceptions import RefusedError
from django_contentsafety.flows import (
    adopting,
    build,
    bundling,
    naming,
    plans,
    removing,
)
from django_contentsafety.models import (
    BuildJob,
    CardJob,
    Category,
    CategoryVersion,
    LogEntry,
)
from django_contentsafety.providers import RemoteVersion, providers
from django_contentsafety.testing.fault_server import answer, status
from django_contentsafety.testing.service import Service
from django_contentsafety.testing.trainer import Fault
from tests.building import events, settle
from tests.conftest import database_params
from tests.keeping import built
from tests.test_category_command import refused, report, run

pytestmark = pytest.mark.django_db(databases="__all__")


def whys() -> dict[adopting.Key, str]:
    return {one.key: one.why for one in adopting.survey("remote")}


# --- Listed -----------------------------------------------------------------------


def test_the_listing_tells_what_is_here_and_stores_nothing(service: Service) -> None:
    ours = built(size=1)
    foreign = service.trainer.put("spam")
    before = events(), CategoryVersion.objects.count()
    found = {one.key: one for one in adopting.survey("remote")}
    assert set(found) == {("scam", ours.provider_version), ("spam", foreign)}
    here, there = found["scam", ours.provider_version], found["spam", foreign]
    assert (here.version, here.is_adoptable, here.why) == (ours, False, "")
    assert (there.version, there.is_adoptable, there.why) == (None, True, "")
    assert there.remote.raw_status == "succeeded"
    assert (events(), CategoryVersion.objects.count()) == before


def test_every_page_is_read_and_numbers_go_up(service: Service) -> None:
    service.trainer.page = 3
    numbers = [service.trainer.put("spam") for _ in range(11)]
    assert [one.remote.provider_version for one in adopting.survey("remote")] == numbers


def test_a_part_of_a_listing_is_none(service: Service) -> None:
    service.trainer.page = 1
    for _ in range(3):
        service.trainer.put("spam")
    answers = iter([None, Fault(status(503))])
    service.trainer._chance = lambda step: next(answers, None)
    with pytest.raises(RefusedError):
        adopting.survey("remote")


@pytest.mark.parametrize(
    "reply",
    [
        answer({"value": [{"name": 1}]}),
        answer({"value": ["x"]}),
        answer({"hello": "world"}),
        answer({"value": [], "more": True}),
        status(401),
    ],
)
def test_a_listing_that_makes_no_sense_is_refused(service: Service, reply: Any) -> None:
    service.trainer.fail("list", *[Fault(reply)] * 200)
    with pytest.raises(RefusedError):
        adopting.survey("remote")


def test_providers_that_can_not_say(settings: Any) -> None:
    assert adopting.listers() == ["remote"]
    for alias in ("default", "local"):
        with pytest.raises(RefusedError, match="can't say which versions"):
            adopting.survey(alias)
    with pytest.raises(RefusedError, match="no provider"):
        adopting.survey("nobody")


#: What the service lists, and why it can't be adopted.
REFUSED: dict[str, tuple[str, str, dict[str, str], str]] = {
    "a harm category": ("Hate", "succeeded", {}, "built-in harm category"),
    "its small letters": ("selfharm", "succeeded", {}, "built-in harm category"),
    "a space": ("two words", "succeeded", {}, "letters, digits and inner hyphens"),
    "too long a name": ("x" * 65, "succeeded", {}, "at most 64"),
    "no definition": ("spam", "succeeded", {"definition": ""}, "blank"),
    "a long definition": (
        "spam",
        "succeeded",
        {"definition": "d" * 1001},
        "longer than 1000",
    ),
    "building": ("spam", "running", {}, "being built there"),
    "a word of its own": ("spam", "Rebalancing", {}, "being built there"),
    "another provider's": ("ours", "succeeded", {}, "with the provider local"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_adopted_says_why(service: Service, name: str) -> None:
    Category.objects.create(name="ours", definition="d", provider="local")
    category, word, facts, why = REFUSED[name]
    key = category, service.trainer.put(category, word, **facts)
    assert why in whys()[key]
    fine = "fine", service.trainer.put("fine")
    with pytest.raises(RefusedError, match="can't be adopted"):
        adopting.adopt("remote", [fine, key], by="7")
    # All or none.
    assert not CategoryVersion.objects.exists()
    assert Category.objects.count() == 1
    assert not {"adopted", "category_adopted"} & set(events())
    # Whatever can be is adopted where nobody chose.
    assert len(adopting.adopt("remote", None, by="7")) == 1


def test_a_deletion_that_goes_on_there(service: Service, monkeypatch: Any) -> None:
    listed = RemoteVersion(
        name="spam", provider_version="1", definition="d", status="deleting"
    )
    odd = RemoteVersion(name="spam", provider_version="2", definition="d")
    kind = type(providers["remote"])
    monkeypatch.setattr(kind, "catalog", lambda self: [listed, odd])
    assert list(whys().values()) == [
        "It is being deleted there.",
        "Its status there is none that we know.",
    ]


def test_while_one_is_being_registered_from_here_nothing_is_adopted(
    service: Service,
) -> None:
    """Or the version that is on its way would have two rows."""
    version = built(size=1)
    second = build.freeze(version.category, by="7")
    service.trainer.fail("register", Fault(status(503), acts=True))
    build.run(build.start(second, by="7"))
    second.refresh_from_db()
    assert second.provider_version == ""
    assert "being registered from here" in str(whys())
    settle()
    assert set(whys().values()) == {""}
    assert adopting.adopt("remote", None, by="7") == []


# --- Adopted ----------------------------------------------------------------------


@pytest.mark.parametrize("using", database_params())
def test_adopted_versions_are_rows_with_numbers_of_ours(
    service: Service, using: str
) -> None:
    first, second = service.trainer.put("spam"), service.trainer.put("spam")
    failed = service.trainer.put("spam", "failed")
    unbuilt = service.trainer.put("spam", "registered")
    keys = [("spam", number) for number in (second, first, failed, unbuilt)]
    made = adopting.adopt("remote", keys, by="7")
    category = Category.objects.get()
    assert (category.name, category.provider) == ("spam", "remote")
    assert category.definition == "Made elsewhere."
    rows = {version.provider_version: version for version in made}
    assert {key: version.status for key, version in rows.items()} == {
        first: "ready",
        second: "ready",
        failed: "failed",
        unbuilt: "frozen",
    }
    assert sorted(version.number for version in made) == [1, 2, 3, 4]
    assert category.last_number == 4
    version = rows[first]
    assert version.is_adopted
    assert (bytes(version.samples_jsonl), version.samples_sha256) == (b"", "")
    assert (version.positive_count, version.withheld_count) == (0, 0)
    logged = [event for event in events() if event != "policy_founded"]
    assert logged == ["category_adopted", *["adopted"] * 4]
    entry = LogEntry.objects.filter(event="adopted").order_by("pk")[0]
    assert (entry.actor_key, entry.subject) == ("7", "spam")
    assert entry.details == {"version": 1, "provider_version": first}
    assert not CardJob.objects.exists()
    # Asked twice, nothing more happens.
    assert adopting.adopt("remote", keys, by="7") == []
    assert adopting.adopt("remote", None, by="7") == []
    assert events()[-5:] == logged


def test_into_a_category_that_is_there(service: Service) -> None:
    ours = built(size=1)
    foreign = service.trainer.put("scam")
    (made,) = adopting.adopt("remote", [("scam", foreign)], by="7")
    assert (made.number, made.category_id) == (2, ours.category_id)
    ours.category.refresh_from_db()
    # What it is stays what its people wrote.
    assert ours.category.definition == "Scams."


def test_what_is_not_listed_is_refused(service: Service) -> None:
    with pytest.raises(RefusedError, match="no version 9 of spam"):
        adopting.adopt("remote", [("spam", "9")], by="7")


def test_it_answers_is_activated_and_deleted_by_the_providers_number(
    service: Service,
) -> None:
    ours = built(size=1)
    for _ in range(3):
        foreign = service.trainer.put("scam")
    (made,) = adopting.adopt("remote", [("scam", foreign)], by="7")
    asked = plans.reference(made.pk, "scam", made.number, made.provider_version)
    (verdict,) = providers["remote"].analyze(["zugmat"], [asked])
    assert verdict.scores[0].detected
    build.activate(made, by="7")
    build.activate(ours, by="7")
    # v2 of ours is another version there.
    removing.delete(made, by="7")
    settle()
    made.refresh_from_db()
    assert made.status == "deleted"
    kept = {one.key for one in adopting.survey("remote")}
    assert ("scam", foreign) not in kept
    assert ("scam", ours.provider_version) in kept
    assert len(kept) == 3


def test_deleted_here_and_kept_there_it_can_be_adopted_again(service: Service) -> None:
    foreign = service.trainer.put("spam")
    (made,) = adopting.adopt("remote", None, by="7")
    CategoryVersion.objects.filter(pk=made.pk).update(status="deleted")
    (again,) = adopting.adopt("remote", [("spam", foreign)], by="7")
    assert again.number == 2


def test_it_is_never_built_from_here_nor_carried_elsewhere(service: Service) -> None:
    service.trainer.put("spam", "registered")
    (made,) = adopting.adopt("remote", None, by="7")
    with pytest.raises(RefusedError, match="was built elsewhere"):
        build.start(made, by="7")
    assert not BuildJob.objects.exists()
    assert "no version that is frozen or failed" in refused("build", "spam")
    plan = bundling.preview_bundle(
        bundling.export_bundle(made.category, by="7"), name="other", provider="local"
    )
    assert plan.versions == ()


def test_its_categorys_name_is_the_services(service: Service) -> None:
    service.trainer.put("spam", "registered")
    (made,) = adopting.adopt("remote", None, by="7")
    assert naming.known_to_services(made.category) == [made]


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("using", database_params())
@pytest.mark.parametrize("is_here", [False, True])
def test_two_who_adopt_the_same_make_one_row_of_it(
    service: Service, using: str, monkeypatch: Any, is_here: bool
) -> None:
    if is_here:
        Category.objects.create(name="spam", definition="d", provider="remote")
    numbers = [service.trainer.put("spam") for _ in range(3)]
    start = threading.Barrier(2)
    wish = adopting._wanted

    def together(*args: Any) -> Any:
        wanted = wish(*args)
        # Neither has begun to write when the other one makes up its mind.
        start.wait(20)
        return wanted

    monkeypatch.setattr(adopting, "_wanted", together)
    made: list[int] = []
    refusals: list[str] = []

    def adopt() -> None:
        try:
            made.append(len(adopting.adopt("remote", None, by="7")))
        except RefusedError as error:
            refusals.append(str(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=adopt) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    rows = CategoryVersion.objects.order_by("number")
    assert sorted(rows.values_list("provider_version", flat=True)) == numbers
    # The slower one finds all of it here, or is told that it was slower.
    assert (sorted(made), refusals) in (
        ([0, 3], []),
        ([3], [refusal for refusal in refusals if "in the same moment" in refusal]),
    )
    assert len(made) + len(refusals) == 2


# --- The command ------------------------------------------------------------------


def test_the_command_lists_and_adopts(service: Service) -> None:
    first, second = service.trainer.put("spam"), service.trainer.put("spam")
    service.trainer.put("two words")
    listed = report("adopt", "--provider", "remote")
    assert (listed["adopted"], len(listed["found"])) == ([], 3)
    assert f"spam  {first}  ready  not here" in run("adopt", "--provider", "remote")
    assert not Category.objects.exists()
    one = report("adopt", "spam", second, "--provider", "remote")
    assert [row["status"] for row in one["adopted"]] == ["ready"]
    assert "spam v2 is adopted: ready." in run("adopt", "spam", "--provider", "remote")
    assert "nothing to adopt" in run("adopt", "--all", "--provider", "remote")
    assert "can't be adopted" in refused("adopt", "two words", "--provider", "remote")
    assert "keeps no category" in refused("adopt", "nothing", "--provider", "remote")
    assert "no version 99" in refused("adopt", "spam", "99", "--provider", "remote")
