"""The card of a remote version: samples are withheld, and analyzed after the build."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import OperationalError

from django_contentsafety import tasks
from django_contentsafety.engine.samples import parse_jsonl, write_jsonl
from django_contentsafety.engine.stored_cards import read_card
from django_contentsafety.exceptions import FrozenVersion, RefusedError
from django_contentsafety.flows import (
    activating,
    build,
    calls,
    comparing,
    differences,
    evaluating,
    measuring,
    removing,
    upkeep,
    withholding,
)
from django_contentsafety.models import (
    CardJob,
    Category,
    CategoryVersion,
    DbNow,
    ProviderBudget,
    ProviderHealth,
)
from django_contentsafety.providers import providers
from django_contentsafety.testing import fault_server
from django_contentsafety.testing.fault_server import Request, answer, status
from django_contentsafety.testing.service import Service
from tests.building import events, freeze, pass_time, settle
from tests.conftest import database_params
from tests.engine.made_up import make_samples
from tests.keeping import WITHHELD, built, card_job, frozen, judge, serving
from tests.test_category_command import refused, report, run

pytestmark = pytest.mark.django_db(databases="__all__")


def lines(data: Any) -> list[str]:
    data = bytes(data)
    return [s.text for _line, s in parse_jsonl(data, max_bytes=len(data)).samples]


# --- Withheld ---------------------------------------------------------------------


def test_what_is_withheld_is_never_sent_and_what_is_sent_never_withheld(
    service: Service,
) -> None:
    version = frozen()
    sent, withheld = lines(version.samples_jsonl), lines(version.withheld_jsonl)
    assert len(withheld) == version.withheld_count == WITHHELD
    assert len(sent) == version.positive_count + version.negative_count == 96
    assert not set(sent) & set(withheld)
    assert {*sent, *withheld} == set(
        version.category.samples.values_list("text", flat=True)
    )
    build.run(build.start(version, by="7"))
    (kept,) = service.trainer._versions.values()
    assert kept["sha256"] == version.samples_sha256


def test_frozen_again_the_same_samples_are_withheld() -> None:
    version = frozen()
    again = build.freeze(version.category, by="7")
    assert bytes(again.withheld_jsonl) == bytes(version.withheld_jsonl)
    assert again.samples_sha256 == version.samples_sha256
    with pytest.raises(FrozenVersion):
        CategoryVersion.objects.update(withheld_jsonl=b"")


@pytest.mark.parametrize(
    ("size", "share", "least", "why"),
    [
        (60, 0, 0, "off"),
        (49, 0.2, 0, "few"),
        (60, 0.2, 49, "needs"),
        (60, 0.2, 48, ""),
    ],
)
def test_why_none_are_withheld(
    settings: Any, monkeypatch: Any, size: int, share: float, least: int, why: str
) -> None:
    settings.CONTENTSAFETY_WITHHELD_SHARE = share
    monkeypatch.setattr(type(providers["remote"]), "min_samples", (least, least))
    version = frozen(size=size)
    assert version.withheld_why == why
    assert bool(version.withheld_count) == (not why)
    # Never below what the provider demands.
    assert min(version.positive_count, version.negative_count) >= least


def test_too_many_for_the_provider_may_be_few_enough_without_the_withheld(
    monkeypatch: Any,
) -> None:
    def lacks(self: Any, positives: int, negatives: int, size: int) -> list[str]:
        return ["Too many."] if positives + negatives > 100 else []

    monkeypatch.setattr(type(providers["remote"]), "lacks", lacks)
    assert frozen().withheld_count == WITHHELD


def test_a_provider_in_this_process_sees_everything() -> None:
    version = freeze("default", size=60)
    assert (version.withheld_count, version.withheld_why) == (0, "")
    build.run(build.start(version, by="7"))
    assert not CardJob.objects.exists()


# --- Measured ---------------------------------------------------------------------


@pytest.mark.parametrize("using", database_params())
def test_the_card_is_made_piece_by_piece(service: Service, using: str) -> None:
    version = built()
    assert (version.status, version.card) == ("ready", None)
    assert (card_job(version).done, card_job(version).total) == (0, WITHHELD)
    assert service.texts == []
    settle()
    version.refresh_from_db()
    assert sorted(service.texts) == sorted(lines(version.withheld_jsonl))
    card = read_card(version.card)
    assert (card.positives, card.negatives) == (12, 12)
    assert card.metrics["precision"].value == card.metrics["recall"].value == 1.0
    job = card_job(version)
    assert (job.goes_on, job.error_code, job.done) == (False, "", WITHHELD)
    assert job.finished_at is not None
    # Numbers alone.
    assert {type(one) for one in job.answers} == {float}
    assert events()[-1] == "card_made"
    assert settle() == 0


def test_no_card_before_every_sample_is_analyzed(monkeypatch: Any) -> None:
    version = built()
    monkeypatch.setattr(measuring, "SECONDS", 0.0)
    assert measuring.advance(card_job(version).pk)
    version.refresh_from_db()
    assert (card_job(version).done, version.card) == (measuring.PIECE, None)
    assert measuring.advance(card_job(version).pk)
    assert card_job(version).done == WITHHELD
    # The last look makes it: nothing is asked any more.
    assert measuring.advance(card_job(version).pk)
    assert not measuring.advance(card_job(version).pk)
    version.refresh_from_db()
    assert read_card(version.card)


def test_a_crash_costs_one_piece(service: Service, monkeypatch: Any) -> None:
    version = built()
    monkeypatch.setattr(measuring, "SECONDS", 0.0)
    measuring.advance(card_job(version).pk)
    before = card_job(version).answers

    def die(job: CardJob, answers: Any) -> bool:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(measuring, "_keep", die)
        measuring.advance(card_job(version).pk)
    assert card_job(version).answers == before
    # It was told to end: who goes on needn't wait for its lease.
    settle()
    asked = len(service.texts)
    assert asked == WITHHELD + (WITHHELD - measuring.PIECE)
    version.refresh_from_db()
    assert read_card(version.card)


def test_a_worker_that_was_taken_over_writes_nothing(monkeypatch: Any) -> None:
    version = built()
    keep = measuring._keep

    def late(job: CardJob, answers: Any) -> bool:
        CardJob.objects.filter(pk=job.pk).update(token="another")
        return keep(job, answers)

    monkeypatch.setattr(measuring, "_keep", late)
    measuring.advance(card_job(version).pk)
    assert card_job(version).answers == []
    assert card_job(version).token == "another"


def test_two_workers_do_not_both_do_it(service: Service, monkeypatch: Any) -> None:
    version = built()
    pk = card_job(version).pk
    piece = measuring._piece

    def other(*args: Any) -> bool:
        assert not measuring.advance(pk)
        assert measuring.due() == []
        return piece(*args)

    monkeypatch.setattr(measuring, "_piece", other)
    measuring.advance(pk)
    assert len(service.texts) == WITHHELD


def test_the_quota_is_that_of_bulk_rounds(
    settings: Any, service: Service, monkeypatch: Any
) -> None:
    with serving(settings, service, rate=0.001, burst=12):
        version = built()
        measuring.advance(card_job(version).pk)
        # Half of what there is; the rest is for texts that people wait for.
        assert (card_job(version).done, len(service.texts)) == (6, 6)
        assert card_job(version).goes_on
        assert card_job(version).error_code == ""
        assert not measuring.advance(card_job(version).pk)
        assert calls.room(providers["remote"], ["Hate"]) == 6
        for _ in range(3):
            ProviderBudget.objects.update(arrival_at=DbNow() - timedelta(days=1))
            pass_time()
            measuring.advance(card_job(version).pk)
        assert card_job(version).done == WITHHELD


def test_a_round_uses_what_the_quota_gives_in_its_seconds(
    settings: Any, service: Service, monkeypatch: Any
) -> None:
    monkeypatch.setattr(measuring, "SECONDS", 60.0)
    # Eight texts a second beside what people wait for, and one at once.
    with serving(settings, service, rate=16, burst=2):
        version = built()
        measuring.advance(card_job(version).pk)
        assert card_job(version).done == WITHHELD
        assert card_job(version).finished_at is not None


#: What the service does to the third text, the code that the row then has, and whether
#: it waits by itself.
FAULTS: dict[str, tuple[Any, str, bool]] = {
    "429": (status(429, retry_after="30"), "throttle", True),
    "503": (status(503), "server", True),
    "a reset": (fault_server.reset(), "network", True),
    "nonsense": (answer({"hello": "world"}), "protocol", True),
    "401": (status(401), "config", False),
    "404, coded": (status(404, {"error": {"code": "NoSuch"}}), "missing", False),
    "410": (status(410), "gone", False),
}


class Faulty(Service):
    """Answers wrongly about some texts, while it is told to."""

    def __init__(self) -> None:
        super().__init__(judge)
        self.fault: Any = None
        self.at: set[int] = set()
        self.analyzed = 0

    def __call__(self, request: Request) -> Any:
        if request.path == "/analyze":
            self.analyzed += 1
            if self.fault is not None and (not self.at or self.analyzed in self.at):
                return self.fault
        return super().__call__(request)


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault(settings: Any, monkeypatch: Any, name: str) -> None:
    fault, code, waits = FAULTS[name]
    monkeypatch.setattr(measuring, "PIECE", 2)
    service = Faulty()
    with serving(settings, service):
        version = built()
        # One request at a time: which is the third is no matter of threads.
        monkeypatch.setattr(type(providers["remote"]), "concurrency", 1)
        service.fault, service.at = fault, set(range(3, 99))
        measuring.advance(card_job(version).pk)
        job = card_job(version)
        assert (job.done, job.error_code, job.goes_on) == (2, code, waits)
        assert job.error_message
        assert job.token == ""
        assert ("card_failed" in events()) == (not waits)
        version.refresh_from_db()
        assert (version.status, version.card) == ("ready", None)
        service.fault = None
        # Breaker and pauses are another matter.
        ProviderHealth.objects.all().delete()
        ProviderBudget.objects.all().delete()
        if not waits:
            settle()
            assert card_job(version).done == 2
            measuring.again(version, by="8")
        settle()
        job = card_job(version)
        assert (job.done, job.error_code, job.error_message) == (WITHHELD, "", "")
        version.refresh_from_db()
        assert read_card(version.card)


def test_a_text_that_is_refused_is_left_out(settings: Any) -> None:
    service = Faulty()
    with serving(settings, service):
        version = built()
        service.fault, service.at = status(400), {4}
        settle()
        version.refresh_from_db()
        assert card_job(version).answers.count(None) == 1
        card = read_card(version.card)
        assert (card.positives or 0) + (card.negatives or 0) == WITHHELD - 1


def test_without_an_answer_about_both_kinds_there_is_no_card(monkeypatch: Any) -> None:
    version = built()
    monkeypatch.setattr(measuring, "_value", lambda verdict, name: None)
    settle()
    job = card_job(version)
    assert (job.goes_on, job.error_code) == (False, "content")
    assert "about 0 of the withheld" in job.error_message
    monkeypatch.undo()
    # Nothing is left to ask: it begins again.
    assert measuring.again(version, by="8").answers == []
    settle()
    version.refresh_from_db()
    assert read_card(version.card)


def test_it_waits_for_three_days_at_most(settings: Any) -> None:
    service = Faulty()
    with serving(settings, service):
        version = built()
        service.fault = status(503)
        CardJob.objects.update(since=DbNow() - timedelta(hours=73))
        measuring.advance(card_job(version).pk)
        assert card_job(version).error_code == "endless"
        assert not card_job(version).goes_on


def test_a_database_that_hiccups_and_a_bug(monkeypatch: Any) -> None:
    version = built()

    def fail(error: Exception) -> Any:
        def steps(job: CardJob) -> None:
            raise error

        return steps

    monkeypatch.setattr(measuring, "_steps", fail(OperationalError("locked")))
    measuring.advance(card_job(version).pk)
    assert card_job(version).goes_on
    pass_time()
    monkeypatch.setattr(measuring, "_steps", fail(KeyError("a text")))
    measuring.advance(card_job(version).pk)
    job = card_job(version)
    assert (job.goes_on, job.error_code) == (False, "bug")
    assert job.error_message == "An error in the software (KeyError)."


def test_again_is_refused_where_it_makes_no_sense() -> None:
    version = built()
    with pytest.raises(RefusedError, match="being measured already"):
        measuring.again(version, by="8")
    settle()
    # Made, it is measured anew.
    assert measuring.again(version, by="8").answers == []
    settle()
    assert card_job(version).done == WITHHELD
    few = built("few", size=2)
    with pytest.raises(RefusedError, match="no withheld samples"):
        measuring.again(few, by="8")


def test_a_deleted_version_takes_its_withheld_samples_along() -> None:
    version = built()
    removing.delete(version, by="7")
    settle()
    version.refresh_from_db()
    assert version.status == "deleted"
    assert bytes(version.withheld_jsonl) == b""
    assert measuring.due() == []
    with pytest.raises(RefusedError, match="no withheld samples"):
        measuring.again(version, by="8")


# --- What goes by the card --------------------------------------------------------


def test_the_bar_counts_the_card_once_it_is_made(settings: Any) -> None:
    settings.CONTENTSAFETY_ACTIVATION_BAR = {"recall": 0.9}
    version = built()
    with pytest.raises(RefusedError, match="recall is not on its card"):
        build.activate(version, by="7")
    settle()
    assert activating.shortfalls(CategoryVersion.objects.get()) == []
    build.activate(version, by="7")


def test_pages_read_the_withheld_samples_where_the_card_is_of_them() -> None:
    version = built()
    settle()
    version.refresh_from_db()
    held = comparing.held_out(version)
    assert {one.text for one in held.values()} == set(lines(version.withheld_jsonl))
    assert all(one.score is not None for one in held.values())
    category = Category.objects.get()
    build.import_samples(category, b'{"text": "new"}', filename="s", by="7")
    after = build.freeze(category, by="7")
    found = differences.compare(version, after)
    # What moved between the two kinds is in both.
    assert (found.added.count, found.removed.count, found.unchanged) == (1, 0, 120)


def test_samples_that_were_withheld_were_not_seen_in_training() -> None:
    version = built()
    settle()
    version.refresh_from_db()
    data = bytes(version.withheld_jsonl)
    found = evaluating.evaluate_samples(version, data, filename="w.jsonl")
    assert (found.seen, found.metrics["recall"]) == (0, 1.0)


# --- Ways in ----------------------------------------------------------------------


def test_a_tick_goes_on_with_it(settings: Any) -> None:
    version = built()
    done = upkeep.tick(aliases=["default"])
    assert done.builds == 1
    version.refresh_from_db()
    assert read_card(version.card)


def test_it_is_woken(settings: Any) -> None:
    version = built()
    settings.CONTENTSAFETY_WAKE = "inline"
    tasks.wake_card(card_job(version).pk)
    version.refresh_from_db()
    assert read_card(version.card)
    tasks.advance_card_task(card_job(version).pk)


def test_the_command_builds_and_measures() -> None:
    frozen()
    said = report("build", "scam", "--wait")
    assert (said["withheld"], said["analyzed"], said["card_error"]) == (24, 24, "")
    assert "samples withheld" in run("card", "scam")
    measured = report("measure", "scam")
    assert measured["analyzed"] == WITHHELD


def test_the_command_says_why_there_is_no_card(settings: Any) -> None:
    service = Faulty()
    with serving(settings, service):
        built()
        service.fault = status(401)
        assert "has no card" in refused("measure", "scam")
        with pytest.raises(CommandError):
            run("measure", "nothing")


def test_what_is_parted_is_whole() -> None:
    """The parts, in their order, are what there was."""
    samples = [s for _n, s in parse_jsonl(write_jsonl(make_samples(60, 60))).samples]
    kept = withholding.withhold(samples, providers["remote"])
    assert sorted(s.text for s in [*kept.sent, *kept.withheld]) == sorted(
        s.text for s in samples
    )
    order = [s.text for s in samples]
    assert [s.text for s in kept.sent] == sorted(
        (s.text for s in kept.sent), key=order.index
    )
