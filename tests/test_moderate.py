"""From a waiting row to a decision, on every database, with everything going wrong."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, models, transaction

from django_contentsafety.exceptions import (
    ContentError,
    ProtocolError,
    ProviderError,
    RateLimited,
    TextChanged,
)
from django_contentsafety.flows import completing, review, upkeep
from django_contentsafety.flows.moderate import drain
from django_contentsafety.flows.plans import explain_problem
from django_contentsafety.models import (
    Blocklist,
    BlocklistItem,
    DbNow,
    LogEntry,
    ModerationResult,
    ModerationState,
    Policy,
    PolicyRule,
    ProviderHealth,
    Review,
)
from django_contentsafety.models.health import TRIP_FAILURES
from tests.conftest import database_params
from tests.policies import by_words, make_due, make_policy, raw_update, script, state_of
from tests.remotes import counted
from tests.testapp.models import Bulletin, Comment, Note, Page, Photo

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def live_policy() -> Policy:
    script()
    return make_policy()


def results(using: str) -> list[ModerationResult]:
    return list(ModerationResult.objects.using(using).order_by("pk"))


# --- A decision -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "decision"),
    [("fine", "allow"), ("dubious", "review"), ("a bad thing", "block")],
)
def test_a_text_is_decided_and_recorded(using: str, body: str, decision: str) -> None:
    obj = Comment.objects.using(using).create(title="title", body=body)
    assert drain(using).decided == 1
    state = state_of(obj)
    assert (state.state, state.decision, state.decided_by) == (
        "done",
        decision,
        "machine",
    )
    assert state.is_decided
    assert (state.lease_token, state.attempts) == ("", 1)
    (result,) = results(using)
    assert result.scores[0]["category"] == "Hate"
    assert result.thresholds[0]["block_at"] == 6
    assert result.source == "default"
    kept = None if decision == "allow" else f"title\n\n{body}"
    assert result.text == kept


@pytest.mark.parametrize(
    ("store", "kept"), [("never", None), ("always", "\n\nfine"), ("review_only", None)]
)
def test_store_text(using: str, settings: Any, store: str, kept: str | None) -> None:
    settings.CONTENTSAFETY_STORE_TEXT = store
    Comment.objects.using(using).create(body="fine")
    drain(using)
    assert results(using)[0].text == kept


@pytest.mark.parametrize("model", [Note, Page, Photo])
def test_every_kind_of_key_is_decided(using: str, model: Any) -> None:
    field = "body" if model is Photo else "text"
    model(**{field: "bad"}, **({"pk": "Key 1"} if model is Page else {})).save(
        using=using
    )
    assert drain(using).decided == 1
    assert ModerationState.objects.using(using).get().decision == "block"


def test_two_policies_are_completed_together(using: str) -> None:
    make_policy("titles")
    make_policy("bodies")
    Bulletin.objects.using(using).create(title="fine", body="bad")
    assert drain(using).decided == 2
    rows = ModerationState.objects.using(using).order_by("policy")
    assert [row.decision for row in rows] == ["block", "allow"]


def test_a_batch_is_one_call(using: str) -> None:
    provider = script()
    for _ in range(7):
        Comment.objects.using(using).create(body="fine")
    assert drain(using).decided == 7
    assert [len(call) for call in provider.calls] == [7]


def test_interactive_texts_come_before_edits(using: str) -> None:
    old = Comment.objects.using(using).create(body="old")
    drain(using)
    old.body = "edited"
    old.save()
    Comment.objects.using(using).create(body="new")
    provider = script()
    drain(using, limit=1)
    if connections[using].vendor != "sqlite":  # Which spreads its picks at random.
        assert [call[0].strip() for call in provider.calls] == ["new", "edited"]


# --- The plan ---------------------------------------------------------------------


def forbid(policy: Policy, term: str, decision: str = "block") -> None:
    blocklist, _ = Blocklist.objects.get_or_create(name="words")
    BlocklistItem.objects.create(blocklist=blocklist, term=term, decision=decision)
    policy.blocklists.add(blocklist)


def test_a_blocklist_s_block_spares_the_provider(
    using: str, live_policy: Policy
) -> None:
    forbid(live_policy, "secret")
    provider = script()
    Comment.objects.using(using).create(title="xx", body="the s3cret word")
    drain(using)
    assert provider.calls == []
    (result,) = results(using)
    hit = {"blocklist": "words", "decision": "block"}
    assert result.hits == [{**hit, "field": "body", "start": 4, "end": 10}]
    assert ModerationState.objects.using(using).get().decision == "block"


def test_without_stop_on_block_everybody_is_asked(
    using: str, live_policy: Policy
) -> None:
    forbid(live_policy, "secret")
    Policy.objects.update(stop_on_block=False)
    provider = script()
    Comment.objects.using(using).create(body="secret")
    drain(using)
    assert len(provider.calls) == 1
    assert len(results(using)) == 2


def test_an_allowed_term_cancels_what_it_covers(
    using: str, live_policy: Policy
) -> None:
    forbid(live_policy, "hell")
    forbid(live_policy, "hell's kitchen", "allow")
    for body in ("go to hell", "a bar in Hell's Kitchen"):
        Comment.objects.using(using).create(body=body)
    drain(using)
    rows = ModerationState.objects.using(using).order_by("pk")
    assert [row.decision for row in rows] == ["block", "allow"]


def test_only_if_unsure_asks_the_second_where_the_first_was_unsure(
    using: str, settings: Any, live_policy: Policy
) -> None:
    dummy = settings.CONTENTSAFETY_PROVIDERS["default"]
    settings.CONTENTSAFETY_PROVIDERS = {"default": dummy, "second": dummy}
    script()
    second = script(lambda text: {"Violence": 7}, alias="second")
    PolicyRule.objects.create(
        policy=live_policy,
        provider="second",
        category="Violence",
        scale="severity",
        block_at=6,
        only_if_unsure=True,
    )
    for body in ("fine", "dubious"):
        Comment.objects.using(using).create(body=body)
    drain(using)
    assert second.calls == [["\n\ndubious"]]
    rows = ModerationState.objects.using(using).order_by("pk")
    assert [row.decision for row in rows] == ["allow", "block"]


@pytest.mark.parametrize("with_blocklist", [False, True])
def test_only_if_unsure_with_nobody_before_it_decides_nothing(
    using: str, live_policy: Policy, with_blocklist: bool
) -> None:
    """Nobody would be asked, and everything allowed."""
    live_policy.rules.update(only_if_unsure=True)
    if with_blocklist:
        forbid(live_policy, "secret")
    Comment.objects.using(using).create(body="bad")
    assert drain(using).decided == 0
    assert "only if unsure" in explain_problem(live_policy)


def test_a_retry_asks_only_who_did_not_answer(
    using: str, settings: Any, live_policy: Policy
) -> None:
    dummy = settings.CONTENTSAFETY_PROVIDERS["default"]
    settings.CONTENTSAFETY_PROVIDERS = {"default": dummy, "flaky": dummy}
    first, flaky = script(), script(fail_with(ProviderError("down")), alias="flaky")
    PolicyRule.objects.create(
        policy=live_policy,
        provider="flaky",
        category="Sexual",
        scale="severity",
        block_at=6,
    )
    Comment.objects.using(using).create(body="fine")
    assert drain(using).released == 1
    assert not ModerationState.objects.using(using).get().is_decided
    flaky.script = by_words
    make_due(using)
    assert drain(using).decided == 1
    assert len(first.calls) == 1
    assert {result.source for result in results(using)} == {"default", "flaky"}


def test_a_policy_that_can_t_decide_waits(using: str, live_policy: Policy) -> None:
    live_policy.rules.all().delete()
    Comment.objects.using(using).create(body="bad")
    assert drain(using).claimed == 0
    assert ModerationState.objects.using(using).get().state == "pending"


def test_a_policy_that_is_off_waits(using: str) -> None:
    Policy.objects.update(mode="off")
    Comment.objects.using(using).create(body="bad")
    assert drain(using).claimed == 0
    Policy.objects.update(mode="shadow")
    assert drain(using).decided == 1


# --- The text moves on ------------------------------------------------------------


def test_a_verdict_for_an_older_text_acts_on_nothing(using: str) -> None:
    obj = Comment.objects.using(using).create(body="bad")

    def edit_meanwhile(text: str) -> dict[str, int]:
        if "bad" in text:
            Comment.objects.using(using).filter(pk=obj.pk).first().delete()
            Comment(pk=obj.pk, body="fine").save(using=using)
        return by_words(text)

    script(edit_meanwhile)
    counts = drain(using)
    assert (counts.stale, counts.decided) == (1, 1)
    assert state_of(obj).decision == "allow"


def test_an_edit_by_save_while_it_is_checked(using: str) -> None:
    obj = Comment.objects.using(using).create(body="bad")

    def edit_meanwhile(text: str) -> dict[str, int]:
        if "bad" in text:
            obj.body = "fine"
            obj.save()
        return by_words(text)

    script(edit_meanwhile)
    drain(using)
    state = state_of(obj)
    assert (state.decision, state.generation, state.decided_generation) == (
        "allow",
        2,
        2,
    )
    stale, current = results(using)
    assert (stale.is_stale, stale.generation) == (True, 1)
    assert (current.is_stale, current.generation) == (False, 2)


def test_an_edit_that_no_signal_saw(using: str) -> None:
    """Raw SQL between the read and the decision: found under the lock."""
    obj = Comment.objects.using(using).create(body="fine")

    def edit_meanwhile(text: str) -> dict[str, int]:
        raw_update(obj, "bad")
        return by_words(text)

    script(edit_meanwhile)
    drain(using)
    state = state_of(obj)
    assert (state.decision, state.generation) == ("block", 2)


def test_an_edit_that_was_taken_back_while_it_was_checked(using: str) -> None:
    """The row's text is what was submitted, the judged one is not."""
    obj = Comment.objects.using(using).create(body="bad")
    raw_update(obj, "fine")

    def take_back(text: str) -> dict[str, int]:
        raw_update(obj, "bad")
        return by_words(text)

    script(take_back)
    drain(using)
    assert state_of(obj).decision == "block"


def test_a_person_is_not_overruled_where_an_edit_was_taken_back(using: str) -> None:
    """The worker saw another text, the person the one that is there (again)."""
    obj = Comment.objects.using(using).create(body="bad")
    row = state_of(obj)
    raw_update(obj, "fine")

    def take_back(text: str) -> dict[str, int]:
        raw_update(obj, "bad")
        review.approve(row.pk, using=using, generation=1, by="7")
        return by_words(text)

    script(take_back)
    drain(using)
    row.refresh_from_db()
    assert (row.state, row.generation) == ("done", 1)
    assert (row.decision, row.decided_by) == ("allow", "person")


def test_a_delete_while_it_is_checked(using: str) -> None:
    obj = Comment.objects.using(using).create(body="bad")

    def delete_meanwhile(text: str) -> dict[str, int]:
        Comment.objects.using(using).get(pk=obj.pk).delete()
        return by_words(text)

    script(delete_meanwhile)
    assert drain(using).decided == 0
    assert not ModerationState.objects.using(using).exists()


def test_an_object_deleted_without_a_signal(using: str) -> None:
    Comment.objects.using(using).create(body="bad")
    Comment.objects.using(using)._raw_delete(using)
    assert drain(using).gone == 1
    assert not ModerationState.objects.using(using).exists()


def test_an_object_that_the_host_s_manager_hides_is_not_gone(
    using: str, monkeypatch: Any
) -> None:
    class Kept(models.Manager[Comment]):
        def get_queryset(self) -> Any:
            return super().get_queryset().filter(views__gte=0)

    hiding = Kept()
    hiding.model = Comment
    monkeypatch.setattr(Comment._meta, "base_manager", hiding)
    obj = Comment.objects.using(using).create(body="bad")
    Comment.objects.using(using).update(views=-1)  # Deleted, softly.
    assert drain(using).gone == 0
    Comment.objects.using(using).update(views=0)
    assert state_of(obj).decision == "block"


# --- The provider fails -----------------------------------------------------------


def fail_with(error: Exception) -> Any:
    def answer(text: str) -> dict[str, int]:
        raise error

    return answer


def test_a_transient_error_waits_and_is_tried_again(using: str) -> None:
    obj = Comment.objects.using(using).create(body="bad")
    script(fail_with(ProviderError("down")))
    for _ in range(9):
        make_due(using)
        drain(using)
    state = state_of(obj)
    assert (state.state, state.last_error_code) == ("pending", "network")
    script()
    make_due(using)
    drain(using)
    assert state_of(obj).decision == "block"


def test_a_spent_quota_costs_no_try(using: str) -> None:
    obj = Comment.objects.using(using).create(body="bad")
    script(fail_with(RateLimited("slow down", retry_after=60)))
    assert drain(using).released == 1
    state = state_of(obj)
    assert (state.attempts, state.last_error_code) == (0, "throttle")
    later = DbNow() + timedelta(seconds=50)
    assert ModerationState.objects.using(using).filter(available_at__gt=later).exists()


@pytest.mark.parametrize(
    ("error", "tries", "reason"),
    [
        (ContentError("no"), 1, "content"),
        (ProtocolError("what?"), 3, "protocol"),
        (RuntimeError("the text"), 5, "bug"),
    ],
)
def test_what_no_try_will_mend_goes_to_a_person(
    using: str, error: Exception, tries: int, reason: str, caplog: Any
) -> None:
    obj = Comment.objects.using(using).create(body="bad")
    script(fail_with(error))
    for attempt in range(tries):
        assert state_of(obj).state == "pending", attempt
        make_due(using)
        drain(using)
    state = state_of(obj)
    assert (state.state, state.exhausted_reason) == ("exhausted", reason)
    assert not state.decision
    assert "the text" not in caplog.text


def test_one_bad_text_does_not_spoil_the_batch(using: str) -> None:
    def answer(text: str) -> dict[str, int]:
        if "poison" in text:
            raise ContentError("no")
        return by_words(text)

    script(answer)
    for body in ("fine", "poison", "bad"):
        Comment.objects.using(using).create(body=body)
    counts = drain(using)
    assert (counts.decided, counts.exhausted) == (2, 1)


# --- Quota and outage -------------------------------------------------------------


def test_what_the_quota_can_t_pay_is_not_claimed(using: str, settings: Any) -> None:
    counted(settings, burst=3)
    script()
    for _ in range(5):
        Comment.objects.using(using).create(body="fine")
    counts = drain(using)
    assert (counts.claimed, counts.decided) == (3, 3)
    rows = ModerationState.objects.using(using).filter(state="pending")
    assert [row.attempts for row in rows] == [0, 0]


def test_a_spent_quota_pauses_all_workers(using: str, settings: Any) -> None:
    counted(settings)
    provider = script(fail_with(RateLimited("slow down", retry_after=60)))
    for _ in range(3):
        Comment.objects.using(using).create(body="fine")
    drain(using)
    make_due(using)
    assert drain(using).claimed == 0
    assert len(provider.calls) == 1


@pytest.mark.parametrize("rate", [1000, None], ids=["quota", "no quota"])
def test_an_outage_burns_no_tries_and_asks_once_a_period(
    using: str, settings: Any, rate: float | None
) -> None:
    counted(settings, burst=1000, rate=rate)
    provider = script(fail_with(ProviderError("down")))
    for _ in range(30):
        Comment.objects.using(using).create(body="fine")
    for _ in range(20):
        make_due(using)
        drain(using)
    calls = len(provider.calls)
    assert calls == TRIP_FAILURES  # They open the breaker; then nothing is claimed.
    assert ProviderHealth.objects.get().state == "open"
    make_due(using)
    assert drain(using).claimed == 0
    # The period is over: one probe, of one text.
    ProviderHealth.objects.update(open_until=DbNow() - timedelta(seconds=1))
    assert drain(using).claimed == 1
    assert len(provider.calls) == calls + 1
    assert drain(using).claimed == 0
    # The service is back: three good probes, then all of it.
    script()
    ProviderHealth.objects.update(open_until=DbNow() - timedelta(seconds=1))
    make_due(using)
    assert drain(using).decided == 30
    assert ProviderHealth.objects.get().state == "closed"


@pytest.mark.parametrize(
    ("code", "state"), [("config", "open"), ("gone", "latched"), ("content", "closed")]
)
def test_what_kind_of_fault_opens_the_breaker(
    using: str, settings: Any, code: str, state: str
) -> None:
    counted(settings)
    error = ProviderError("no")
    error.code = code
    script(fail_with(error))
    Comment.objects.using(using).create(body="fine")
    drain(using)
    assert ProviderHealth.objects.get().state == state
    assert state_of(Comment.objects.using(using).get()).state == "pending"


# --- Workers die ------------------------------------------------------------------


def expire(using: str) -> None:
    ModerationState.objects.using(using).filter(state="leased").update(
        lease_until=DbNow() - timedelta(seconds=1)
    )


def die(using: str) -> None:
    """A worker claims what is due and is never heard of again."""
    script(fail_with(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        drain(using)
    expire(using)


def test_a_text_that_kills_takes_no_other_along(using: str) -> None:
    """Of a batch that died together, each is tried alone; one is found to be it."""
    for body in ("fine", "deadly", "bad"):
        Comment.objects.using(using).create(body=body)

    def answer(text: str) -> dict[str, int]:
        if "deadly" in text:
            raise KeyboardInterrupt
        return by_words(text)

    script(answer)
    for _ in range(10):
        try:
            drain(using)
        except KeyboardInterrupt:
            expire(using)
            upkeep.sweep(using)
    rows = ModerationState.objects.using(using)
    states = {obj.body: state_of(obj) for obj in Comment.objects.using(using)}
    assert states["fine"].decision == "allow"
    assert states["bad"].decision == "block"
    assert states["deadly"].exhausted_reason == "poison"
    assert not rows.pending().exists()


def test_another_worker_takes_over(using: str) -> None:
    obj = Comment.objects.using(using).create(body="bad")
    die(using)
    script()
    assert drain(using).decided == 1
    state = state_of(obj)
    assert (state.decision, state.crashes, state.attempts) == ("block", 1, 2)


@pytest.mark.parametrize("swept", [False, True])
def test_a_text_that_kills_three_workers_goes_to_a_person(
    using: str, swept: bool
) -> None:
    obj = Comment.objects.using(using).create(body="bad")
    for _ in range(3):
        die(using)
        if swept:
            upkeep.sweep(using)
    script()
    drain(using)
    state = state_of(obj)
    assert (state.state, state.exhausted_reason) == ("exhausted", "poison")


def test_a_worker_that_comes_back_late_changes_nothing(
    using: str, monkeypatch: Any
) -> None:
    obj = Comment.objects.using(using).create(body="bad")
    complete = completing.complete
    seen: list[Any] = []

    def late(judged: Any, alias: str, *, nowait: bool) -> Any:
        if not seen:
            seen.append(judged)
            expire(using)
            script(lambda text: {"Hate": 0})
            assert drain(using).decided == 1  # The other worker, meanwhile.
        return complete(judged, alias, nowait=nowait)

    monkeypatch.setattr("django_contentsafety.flows.working.complete", late)
    counts = drain(using)
    assert (counts.decided, counts.stale) == (0, 1)
    assert state_of(obj).decision == "allow"
    assert len(results(using)) == 1


def test_an_answer_that_came_too_late_hides_none_that_counts(
    using: str, monkeypatch: Any
) -> None:
    """Both are about the same text: the decision's evidence is no stale verdict."""
    obj = Comment.objects.using(using).create(body="bad")
    complete = completing.complete

    late: list[Any] = []

    def outlive_the_lease(judged: Any, alias: str, *, nowait: bool) -> Any:
        if not late:
            late.append(judged)
            expire(using)
            upkeep.sweep(using)
        return complete(judged, alias, nowait=nowait)

    path = "django_contentsafety.flows.working.complete"
    monkeypatch.setattr(path, outlive_the_lease)
    counts = drain(using)
    assert (counts.stale, counts.decided) == (1, 1)
    assert state_of(obj).decision == "block"
    assert [result.is_stale for result in results(using)] == [False]


def test_an_unfinished_transaction_leaves_the_row_waiting(
    using: str, monkeypatch: Any
) -> None:
    obj = Comment.objects.using(using).create(body="bad")
    monkeypatch.setattr(completing, "_store", lambda *a, **k: 1 / 0)
    assert drain(using, seconds=0.2).decided == 0
    state = state_of(obj)
    assert (state.state, state.decision) == ("pending", "")


def test_an_answer_that_can_t_be_stored_goes_to_a_person(
    using: str, monkeypatch: Any
) -> None:
    """Or the provider would be asked for ever, every few seconds."""
    provider = script()
    monkeypatch.setattr(completing, "_store", lambda *a, **k: 1 / 0)
    obj = Comment.objects.using(using).create(body="bad")
    for _ in range(7):
        make_due(using)
        drain(using, seconds=0.2)
    state = state_of(obj)
    assert (state.state, state.exhausted_reason) == ("exhausted", "bug")
    assert len(provider.calls) == 5


def test_sweep_puts_the_oldest_before_a_person(using: str, settings: Any) -> None:
    settings.CONTENTSAFETY_MAX_AGE = 0
    obj = Comment.objects.using(using).create(body="bad")
    script(fail_with(RateLimited("slow down", retry_after=60)))
    drain(using)
    ModerationState.objects.using(using).update(
        first_pending_at=DbNow() - timedelta(seconds=1)
    )
    assert upkeep.sweep(using).too_old == 1
    assert state_of(obj).exhausted_reason == "max_age"


@pytest.mark.parametrize("change", [{"mode": "off"}, {}], ids=["off", "no rules"])
def test_a_text_whose_policy_could_not_answer_is_not_too_old(
    using: str, live_policy: Policy, settings: Any, change: dict[str, Any]
) -> None:
    """It was never tried: when the policy can answer, the machine comes first."""
    rules = list(live_policy.rules.all())
    live_policy.rules.all().delete()
    Policy.objects.update(**{"mode": "live", **change})
    obj = Comment.objects.using(using).create(body="fine")
    ModerationState.objects.using(using).update(
        first_pending_at=DbNow() - timedelta(days=9)
    )
    drain(using)
    assert upkeep.sweep(using).too_old == 0
    Policy.objects.update(mode="live")
    PolicyRule.objects.bulk_create(rules)
    assert upkeep.sweep(using).too_old == 0
    drain(using)
    assert state_of(obj).decision == "allow"


# --- Many at once -----------------------------------------------------------------


def in_threads(count: int, work: Any) -> None:
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


LOCKING = pytest.mark.parametrize("using", database_params("postgresql", "mariadb"))


@LOCKING
def test_a_review_does_not_cross_a_save(using: str) -> None:
    """The object is locked before its states, by everybody."""
    obj = Comment.objects.using(using).create(body="dubious")
    drain(using)
    row = state_of(obj)

    def approve() -> str:
        try:
            review.approve(row.pk, using=using, generation=1, by="7")
        except TextChanged:
            return "changed"
        return "approved"

    begun = threading.Event()
    answers: list[str] = []

    def work(number: int) -> None:
        if number:
            begun.wait(10)
            answers.append(approve())
            return
        with transaction.atomic(using):
            Comment.objects.using(using).filter(pk=obj.pk).update(views=1)
            begun.set()
            time.sleep(0.7)
            obj.body = "another"
            obj.save()

    in_threads(2, work)
    assert answers == ["changed"]


@LOCKING
def test_a_sweep_does_not_cross_saves(using: str) -> None:
    """It takes what nobody holds: the host's order of objects is the host's affair."""
    objects = [Comment.objects.using(using).create(body=f"{n}") for n in range(2)]
    ModerationState.objects.using(using).update(
        state="leased", lease_token="x", lease_until=DbNow() - timedelta(seconds=5)
    )
    begun = threading.Event()

    def work(number: int) -> None:
        if number:
            begun.wait(10)
            upkeep.sweep(using)
            return
        with transaction.atomic(using):
            for obj in reversed(objects):
                obj.body = "another"
                obj.save()
                begun.set()
                time.sleep(0.7)

    in_threads(2, work)
    assert {state_of(obj).state for obj in objects} == {"pending"}


def test_no_row_is_claimed_twice(using: str) -> None:
    for _ in range(60):
        Comment.objects.using(using).create(body="fine")
    claimed: list[int] = []

    def claim(number: int) -> None:
        states = ModerationState.objects.using(using)
        for _ in range(200):
            rows = states.claim(policies=["comments"], limit=5, lease=60)
            claimed.extend(row.pk for row in rows)
            if len(claimed) == 60:
                return

    in_threads(4, claim)
    assert len(claimed) == len(set(claimed)) == 60


def test_savers_and_workers_at_once(using: str) -> None:
    """Every text ends up with the decision of its last version, and no save fails."""
    objects = [Comment.objects.using(using).create(body="fine") for _ in range(8)]
    bodies = ["fine", "dubious", "bad"]

    def work(number: int) -> None:
        script()  # A provider an own thread.
        for step in range(12):
            if number % 2:
                obj = Comment.objects.using(using).get(
                    pk=objects[(step * number) % 8].pk
                )
                obj.body = f"{bodies[(step + number) % 3]} {number} {step}"
                obj.save()
            else:
                drain(using, seconds=1)

    in_threads(4, work)
    make_due(using)
    expire(using)
    drain(using)
    expected = {0: "allow", 5: "review", 7: "block"}
    for obj in Comment.objects.using(using):
        row = ModerationState.objects.using(using).get(object_key=str(obj.pk))
        assert row.is_decided
        assert row.decision == expected[by_words(obj.body)["Hate"]], obj.body


# --- A person decides -------------------------------------------------------------


def held(using: str) -> ModerationState:
    obj = Comment.objects.using(using).create(body="dubious")
    drain(using)
    return state_of(obj)


@pytest.mark.parametrize(
    ("act", "decision"), [(review.approve, "allow"), (review.reject, "block")]
)
def test_a_person_s_decision_comes_into_force(
    using: str, act: Any, decision: str, admin_user: Any
) -> None:
    state = held(using)
    act(state.pk, using=using, generation=1, by=admin_user)
    state.refresh_from_db()
    assert (state.decision, state.decided_by) == (decision, "person")
    assert Review.objects.using(using).get().reviewer_key == str(admin_user.pk)
    entry = LogEntry.objects.using(using).order_by("pk").last()
    assert entry is not None
    assert (entry.event, entry.from_value, entry.to_value) == (
        "reviewed",
        "review",
        decision,
    )


def test_a_person_s_decision_stands_until_the_text_changes(using: str) -> None:
    state = held(using)
    review.approve(state.pk, using=using, generation=1, by="7")
    obj = Comment.objects.using(using).get()
    obj.views = 3
    obj.save()
    assert drain(using).claimed == 0
    obj.body = "bad"
    obj.save()
    drain(using)
    state.refresh_from_db()
    assert (state.decision, state.decided_by) == ("block", "machine")


def test_a_person_is_never_overruled_by_a_worker_at_work(using: str) -> None:
    obj = Comment.objects.using(using).create(body="bad")

    def approve_meanwhile(text: str) -> dict[str, int]:
        review.approve(state_of(obj).pk, using=using, generation=1, by="7")
        return by_words(text)

    script(approve_meanwhile)
    assert drain(using).stale == 1
    assert state_of(obj).decision == "allow"


@pytest.mark.parametrize("act", [review.approve, review.reject, review.retry])
def test_a_decision_on_an_older_text_is_refused(using: str, act: Any) -> None:
    state = held(using)
    obj = Comment.objects.using(using).get()
    obj.body = "something else"
    obj.save()
    with pytest.raises(TextChanged):
        act(state.pk, using=using, generation=1, by="7")
    assert not Review.objects.using(using).exists()


def test_a_person_s_decision_stands_while_the_stored_text_does(using: str) -> None:
    """What the object holds and ``update_fields`` leaves out is no edit."""
    obj = Comment.objects.using(using).create(body="dubious")
    drain(using)
    review.approve(state_of(obj).pk, using=using, generation=1, by="7")
    obj.title = "not written"
    obj.save(update_fields=["body"])
    drain(using)
    state = state_of(obj)
    assert (state.decision, state.decided_by) == ("allow", "person")


def test_a_person_s_decision_outlasts_a_time_as_a_draft(using: str) -> None:
    obj = Comment.objects.using(using).create(body="fine")
    drain(using)
    review.reject(state_of(obj).pk, using=using, generation=1, by="7")
    for is_draft in (True, False):
        obj.is_draft = is_draft
        obj.save()
    drain(using)
    state = state_of(obj)
    assert (state.decision, state.decided_by) == ("block", "person")


def test_a_person_s_decision_sees_edits_that_no_signal_saw(using: str) -> None:
    state = held(using)
    raw_update(Comment.objects.using(using).get(), "bad")
    with pytest.raises(TextChanged):
        review.approve(state.pk, using=using, generation=1, by="7")
    state.refresh_from_db()
    assert (state.generation, state.state) == (2, "pending")


def test_a_review_of_what_is_gone_leaves_no_row_behind(using: str) -> None:
    """Nor one that is leased for ever: nobody would free it."""
    obj = Comment.objects.using(using).create(body="dubious")
    row = state_of(obj)
    ModerationState.objects.using(using).update(state="leased", lease_token="x")
    Comment.objects.using(using)._raw_delete(using)
    with pytest.raises(TextChanged):
        review.approve(row.pk, using=using, generation=1, by="7")
    assert not ModerationState.objects.using(using).exists()


def test_retry_is_another_round(using: str) -> None:
    state = held(using)
    script(lambda text: {"Hate": 0})
    review.retry(state.pk, using=using, generation=1, by="7")
    state.refresh_from_db()
    assert state.decision == "review"  # In force until the new one comes.
    drain(using)
    state.refresh_from_db()
    assert (state.decision, state.round, len(results(using))) == ("allow", 1, 2)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 1.5, -0.1, 9], ids=lambda value: str(value)
)
def test_an_answer_off_its_scale_decides_nothing(
    using: str, value: float, live_policy: Policy
) -> None:
    PolicyRule.objects.create(
        policy=live_policy, category="Sexual", scale="score", block_at=0.5
    )
    name = "Hate" if isinstance(value, int) else "Sexual"
    script(lambda text: {name: value})
    obj = Comment.objects.using(using).create(body="b")
    drain(using)
    state = state_of(obj)
    assert (state.state, state.last_error_code) == ("pending", "protocol")
