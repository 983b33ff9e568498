"""From samples to the active version, with the site tables in each database."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest
from django.db.models import RestrictedError

from django_contentsafety.engine.samples import write_jsonl
from django_contentsafety.exceptions import (
    BuildFailed,
    InvalidTransition,
    ProviderError,
    RateLimited,
    RefusedError,
)
from django_contentsafety.flows import build
from django_contentsafety.models import (
    BuildJob,
    Category,
    CategoryVersion,
    DbNow,
    LogEntry,
    Policy,
    PolicyRule,
    Sample,
)
from django_contentsafety.providers import BuildState, Provider, providers
from django_contentsafety.signals import build_finished, version_activated

from .building import SiteTables
from .engine.made_up import make_samples

pytestmark = pytest.mark.django_db(databases="__all__")

Status = BuildJob.Status


class Remote(Provider):
    """Builds elsewhere: each method does what the test puts in its place."""

    can_build = True
    custom_scales = frozenset({"score"})
    min_samples = (1, 1)

    def __init__(self, alias):
        super().__init__(alias)
        self.calls = []
        self.on_register = self.on_submit = lambda: None
        self.on_poll = lambda: BuildState(status="succeeded", raw_status="Succeeded")

    def register(self, request):
        self.calls.append(("register", request.operation_id))
        self.on_register()
        return f"r{request.version}"

    def submit(self, request, provider_version):
        self.calls.append(("submit", request.operation_id))
        self.on_submit()

    def poll(self, request, provider_version, progress):
        self.calls.append(("poll", request.operation_id))
        return self.on_poll()


class NoBuilder(Provider):
    """Answers, and builds nothing."""


@pytest.fixture(autouse=True)
def site(using, settings):
    """The alias that the site tables are routed to."""
    settings.DATABASE_ROUTERS = [SiteTables(using)]
    settings.CONTENTSAFETY_PROVIDERS = {
        **settings.CONTENTSAFETY_PROVIDERS,
        "remote": {"BACKEND": "tests.test_build.Remote"},
        "no-builder": {"BACKEND": "tests.test_build.NoBuilder"},
    }
    return using


@pytest.fixture
def category(site):
    return Category.objects.create(name="scam", definition="Scams.", provider="local")


@pytest.fixture
def filled(category):
    """A category with enough samples for the local provider."""
    imported = import_(category, write_jsonl(make_samples(25, 25)))
    assert (imported.added, imported.known) == (50, 0)
    return category


@pytest.fixture
def frozen(filled):
    return build.freeze(filled, by="7")


@pytest.fixture
def remote(site):
    return providers["remote"]


@pytest.fixture
def job(filled):
    """A queued build by the remote provider."""
    Category.objects.update(provider="remote")
    filled.refresh_from_db()
    return build.start(build.freeze(filled, by="7"), by="7")


def import_(category, data):
    return build.import_samples(category, data, filename="s.jsonl", by="7")


def line(**values):
    return json.dumps(values).encode() + b"\n"


def events():
    return list(LogEntry.objects.order_by("pk").values_list("event", flat=True))


def make_due(job):
    BuildJob.objects.filter(pk=job.pk).update(next_poll_at=DbNow())


def expire_lease(job):
    BuildJob.objects.filter(pk=job.pk).update(
        lease_until=DbNow() - timedelta(seconds=1)
    )


# Samples.


#: The file, the line that is wrong (None = the file as a whole), and its code.
BAD_FILES = {
    "not JSON": (b"just words\n", 2, "not_json"),
    "deep": (b"[" * 100_000 + b"\n", 2, "too_deep"),
    "no text": (line(isPositive=True), 2, "no_text"),
    "text is no string": (line(text=1), 2, "text_not_string"),
    "blank": (line(text=" "), 2, "text_blank"),
    "label is no boolean": (line(text="x", isPositive="yes"), 2, "label_not_boolean"),
    "not UTF-8": (b'{"text": "caf\xe9"}\n', 2, "not_utf8"),
    "NUL": (line(text="a\x00b"), 2, "nul"),
    "lone surrogate": (b'{"text": "\\ud800"}\n', 2, "lone_surrogate"),
    "a line of 19 MB": (line(text="x" * 19_000_000), 2, "line_too_long"),
    "a line of 20 MB": (line(text="x" * 20_000_000), None, "file_too_big"),
    "contradicts in the file": (line(text="good"), 2, "contradiction"),
    "contradicts a stored one": (line(text="stored"), 2, "contradicts"),
}


def test_a_text_that_stands_twice_is_taken_once(category):
    done = import_(category, line(text="good") + line(text=" good "))
    assert (done.added, done.skipped) == (1, 1)


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_line_is_named_and_nothing_is_stored(category, case):
    import_(category, line(text="stored", isPositive=False))
    before = events()
    data, number, code = BAD_FILES[case]
    with pytest.raises(build.SamplesRefused) as caught:
        import_(category, line(text="good", isPositive=False) + data)
    assert caught.value.filename == "s.jsonl"
    assert str(caught.value) == "s.jsonl was not imported: 1 problem."
    (error,) = caught.value.errors
    assert (error.line, error.code) == (number, code)
    assert error.remedy
    if number:
        assert str(error).startswith(f"Line {number}: ")
    assert list(category.samples.values_list("text", flat=True)) == ["stored"]
    assert events() == before


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(category, data):
    with pytest.raises(build.SamplesRefused) as caught:
        import_(category, data)
    (error,) = caught.value.errors
    assert (error.line, error.code) == (None, "empty")
    assert error.remedy


def test_every_bad_line_is_listed(category):
    import_(category, line(text="a") + line(text="b"))
    with pytest.raises(build.SamplesRefused) as caught:
        import_(
            category,
            line(text="a", isPositive=False)
            + line(text="c")
            + line(text="b", isPositive=False),
        )
    assert str(caught.value) == "s.jsonl was not imported: 2 problems."
    assert [error.line for error in caught.value.errors] == [1, 3]
    assert category.samples.count() == 2


def test_what_is_known_already_is_left_as_it_is(category):
    first = import_(category, line(text="a") + line(text="b", isPositive=False))
    second = import_(category, line(text=" a\n") + line(text="c"))
    assert (first.added, first.known) == (2, 0)
    assert (second.added, second.known) == (1, 1)
    samples = category.samples.values_list(
        "text", "is_positive", "source", "created_by"
    )
    assert list(samples) == [
        ("a", True, "upload", "7"),
        ("b", False, "upload", "7"),
        ("c", True, "upload", "7"),
    ]
    entry = LogEntry.objects.latest("pk")
    assert (entry.event, entry.subject, entry.actor_key) == (
        "samples_imported",
        "scam",
        "7",
    )
    assert entry.details == {"added": 1, "known": 1, "skipped": 0}


def test_many_samples_and_any_text(category):
    texts = [f"sample {n} \U0001f600 e\u0301 \u2028" for n in range(1_100)]
    data = b"".join(line(text=text) for text in texts)
    assert import_(category, data).added == 1_100
    assert import_(category, data).known == 1_100
    assert set(category.samples.values_list("text", flat=True)) == set(texts)


# Freezing.


def test_freezing_takes_a_snapshot(filled):
    version = build.freeze(filled, by="7")
    assert (version.number, version.status) == (1, "frozen")
    assert (version.positive_count, version.negative_count) == (25, 25)
    assert (version.definition, version.provider) == ("Scams.", "local")
    assert bytes(version.samples_jsonl) == write_jsonl(make_samples(25, 25))
    # What changes later changes the next version alone.
    Sample.objects.first().delete()
    Category.objects.update(definition="Other.")
    import_(filled, line(text="one more"))
    second = build.freeze(filled, by="7")
    version.refresh_from_db()
    assert (second.number, second.definition) == (2, "Other.")
    assert (version.definition, version.positive_count) == ("Scams.", 25)
    assert second.samples_sha256 != version.samples_sha256
    assert events()[-1] == "frozen"


@pytest.mark.parametrize(
    ("positives", "negatives", "message"),
    [
        (19, 25, "at least 20 positive ones, there are 19. Add 1 more."),
        (0, 25, "at least 20 positive ones, there are 0. Add 20 more."),
        (0, 0, "at least 20 positive ones, there are 0. Add 20 more."),
    ],
)
def test_too_few_samples_are_refused_and_no_number_is_burned(
    category, positives, negatives, message
):
    if positives + negatives:
        import_(category, write_jsonl(make_samples(positives, negatives)))
    before = events()
    with pytest.raises(RefusedError, match=message):
        build.freeze(category, by="7")
    category.refresh_from_db()
    assert category.last_number == 0
    assert not CategoryVersion.objects.exists()
    assert events() == before


def test_a_provider_that_needs_none_still_needs_a_positive(category):
    Category.objects.update(provider="default")
    category.refresh_from_db()
    import_(category, line(text="x", isPositive=False))
    with pytest.raises(RefusedError, match="no positive samples"):
        build.freeze(category, by="7")
    import_(category, line(text="y"))
    assert build.freeze(category, by="7").number == 1


@pytest.mark.parametrize(
    ("alias", "message"),
    [("gone", "no provider 'gone'"), ("no-builder", "builds no categories")],
)
def test_a_provider_that_cannot_build_is_named(filled, alias, message):
    Category.objects.update(provider=alias)
    filled.refresh_from_db()
    with pytest.raises(RefusedError, match=message):
        build.freeze(filled, by="7")
    filled.refresh_from_db()
    assert filled.last_number == 0


def test_a_number_is_never_given_again(filled):
    assert [build.freeze(filled, by="7").number for _ in range(2)] == [1, 2]
    CategoryVersion.objects.all().delete()
    assert build.freeze(filled, by="7").number == 3


# Starting.


def test_starting_queues_a_build(frozen):
    job = build.start(frozen, by="7")
    assert (job.status, job.live_category_id) == ("queued", frozen.category_id)
    assert (job.created_by, job.operation_id, job.error_message) == ("7", "", "")
    assert frozen.status == "building"
    assert build.due() == [job.pk]
    assert events()[-1] == "build_asked"


def test_a_second_live_build_is_refused(filled, frozen):
    second = build.freeze(filled, by="7")
    job = build.start(frozen, by="7")
    before = events()
    with pytest.raises(RefusedError, match="scam is being built already"):
        build.start(second, by="7")
    second.refresh_from_db()
    assert second.status == "frozen"
    assert list(BuildJob.objects.all()) == [job]
    assert events() == before


@pytest.mark.parametrize(
    "status", [s for s in CategoryVersion.Status if s not in ("frozen", "failed")]
)
def test_only_a_frozen_or_failed_version_is_built(frozen, status):
    CategoryVersion.objects.update(status=status)
    with pytest.raises(RefusedError, match=f"scam v1 is {status.label}"):
        build.start(frozen, by="7")
    assert not BuildJob.objects.exists()


# Building.


def test_the_local_provider_builds_in_one_go(frozen):
    phases, finished = [], []

    def note(sender, job, **kwargs):
        finished.append(job.pk)

    build_finished.connect(note)
    try:
        job = build.run(
            build.start(frozen, by="7"), progress=lambda *args: phases.append(args)
        )
    finally:
        build_finished.disconnect(note)
    assert (job.status, job.progress, job.live_category) == ("succeeded", 100, None)
    assert job.finished_at is not None
    assert (job.lease_token, job.lease_until, job.poll_count) == ("", None, 1)
    assert job.operation_id.startswith(f"cs-{job.pk}-")
    frozen.refresh_from_db()
    assert (frozen.status, frozen.ready_at is None) == ("ready", False)
    assert bytes(frozen.artifact).startswith(b"DJCSHEAD")
    assert frozen.card["positives"] == 25
    assert frozen.provider_version.startswith("1-")
    assert phases
    assert [fraction for _, fraction in phases] == sorted(f for _, f in phases)
    assert finished == [job.pk]
    assert events()[-1] == "built"
    # Over means over.
    assert build.due() == []
    assert not build.advance(job.pk)


def test_each_step_is_logged_without_a_text(frozen):
    build.run(build.start(frozen, by="7"))
    build.activate(frozen, by="8")
    entries = LogEntry.objects.exclude(event__startswith="policy").order_by("pk")
    assert [(e.event, e.actor_key, e.subject) for e in entries] == [
        ("samples_imported", "7", "scam"),
        ("frozen", "7", "scam"),
        ("build_asked", "7", "scam"),
        ("built", "7", "scam"),
        ("activated", "8", "scam"),
    ]
    text = make_samples(1, 0)[0].text
    assert all(text not in json.dumps(entry.details) for entry in entries)


def test_intent_is_written_before_each_act(job, remote):
    seen = []

    def look(name):
        def act():
            row = BuildJob.objects.get(pk=job.pk)
            seen.append((name, row.status, bool(row.lease_token), row.operation_id))

        return act

    remote.on_register, remote.on_submit = look("register"), look("submit")
    build.run(job)
    job.refresh_from_db()
    # The operation's name was stored before the provider heard of it.
    assert seen == [
        ("register", "registering", True, job.operation_id),
        ("submit", "submitting", True, job.operation_id),
    ]
    assert remote.calls == [
        (step, job.operation_id) for step in ("register", "submit", "poll")
    ]


def test_a_running_build_waits_for_its_next_poll(job, remote):
    remote.on_poll = lambda: BuildState(
        status="running", raw_status="Running", phase="p" * 200, fraction=1.7
    )
    job = build.run(job)
    assert (job.status, job.raw_status, job.poll_count) == ("building", "Running", 1)
    assert (job.phase, job.progress) == ("p" * 60, 100)
    assert job.lease_token == ""
    assert build.due() == []
    assert not build.advance(job.pk)
    make_due(job)
    remote.on_poll = lambda: BuildState(status="running", fraction=-1)
    assert build.advance(job.pk)
    job.refresh_from_db()
    assert (job.poll_count, job.progress) == (2, 0)
    # Polled again, never submitted again.
    assert [step for step, _ in remote.calls] == ["register", "submit", "poll", "poll"]


@pytest.mark.parametrize(
    ("age", "delay"),
    [
        (timedelta(0), timedelta(minutes=1)),
        (timedelta(minutes=4, seconds=59), timedelta(minutes=1)),
        (timedelta(minutes=5), timedelta(minutes=5)),
        (timedelta(hours=11), timedelta(minutes=5)),
        (timedelta(hours=12), timedelta(minutes=30)),
        (timedelta(hours=72), timedelta(minutes=30)),
    ],
)
def test_polls_get_rarer(age, delay):
    assert build.poll_delay(age) == delay


def test_the_next_poll_is_by_the_builds_age(job, remote):
    remote.on_poll = lambda: BuildState(status="running")
    BuildJob.objects.update(created_at=DbNow() - timedelta(hours=1))
    build.run(job)
    rows = BuildJob.objects.filter(pk=job.pk)
    assert rows.filter(next_poll_at__gt=DbNow() + timedelta(minutes=4)).exists()
    assert rows.filter(next_poll_at__lt=DbNow() + timedelta(minutes=6)).exists()


def failing(error):
    def act():
        raise error

    return act


#: What the provider raises at a step → the job's status and the code it keeps.
FAULTS = [
    (BuildFailed("Too alike. Add more."), "failed", "build"),
    (ProviderError("Down."), "waits", "network"),
    (RateLimited("Later.", retry_after=90), "waits", "throttle"),
    (KeyError("a private text"), "needs_attention", "bug"),
]


@pytest.mark.parametrize("step", ["on_register", "on_submit", "on_poll"])
@pytest.mark.parametrize(
    ("error", "status", "code"), FAULTS, ids=[type(f[0]).__name__ for f in FAULTS]
)
def test_a_fault_is_written_into_the_row(
    job, remote, step, error, status, code, caplog
):
    setattr(remote, step, failing(error))
    with caplog.at_level(logging.DEBUG, logger="django_contentsafety"):
        job = build.run(job)
    frozen = job.version
    assert job.error_code == code
    assert (job.lease_token, job.lease_until) == ("", None)
    if status == "failed":
        assert (job.status, job.error_message) == ("failed", "Too alike. Add more.")
        assert job.finished_at and job.live_category is None
        assert (frozen.status, events()[-1]) == ("failed", "build_failed")
        # A failed version may be built again.
        assert build.start(frozen, by="7").pk != job.pk
    elif status == "needs_attention":
        assert job.status == "needs_attention"
        assert job.error_message == "An error in the software (KeyError)."
        assert job.live_category is not None
        assert frozen.status == "building"
        assert build.due() == []
    else:
        assert job.status in ("registering", "submitting", "building")
        assert frozen.status == "building"
        # Not before its time; then the same step again, and on to the end.
        assert build.due() == []
        setattr(remote, step, Remote("remote").__dict__[step])
        make_due(job)
        assert build.run(job).status == "succeeded"
    assert "private" not in caplog.text + job.error_message


def test_a_rate_limit_is_waited_for_as_long_as_it_says(job, remote):
    remote.on_poll = failing(RateLimited("Later.", retry_after=90))
    build.run(job)
    rows = BuildJob.objects.filter(pk=job.pk)
    assert rows.filter(next_poll_at__gt=DbNow() + timedelta(seconds=80)).exists()
    assert rows.filter(next_poll_at__lt=DbNow() + timedelta(seconds=100)).exists()


def test_a_provider_that_says_failed_ends_the_build(job, remote):
    remote.on_poll = lambda: BuildState(
        status="failed", raw_status="Failed", error="No."
    )
    job = build.run(job)
    assert (job.status, job.error_message) == ("failed", "No.")


def test_what_no_retry_mends_asks_for_a_person(job, remote):
    error = type("ForGood", (ProviderError,), {"retryable": False})
    remote.on_poll = failing(error("The key is wrong."))
    job = build.run(job)
    assert (job.status, job.error_message) == ("needs_attention", "The key is wrong.")


def test_a_provider_that_left_the_settings_asks_for_a_person(job, settings):
    settings.CONTENTSAFETY_PROVIDERS = {}
    job = build.run(job)
    assert (job.status, job.error_code) == ("needs_attention", "config")
    assert "There is no provider 'remote'" in job.error_message


def test_who_saw_to_it_has_it_tried_again(job, remote):
    remote.on_submit = failing(KeyError())
    job = build.run(job)
    first = job.operation_id
    with pytest.raises(RefusedError, match="already"):
        build.start(build.freeze(job.version.category, by="7"), by="7")
    remote.on_submit = lambda: None
    build.try_again(job, by="8")
    assert (job.status, job.error_code, job.error_message) == ("queued", "", "")
    job = build.run(job)
    assert (job.status, job.operation_id) == ("succeeded", first)
    with pytest.raises(InvalidTransition):
        build.try_again(job, by="8")


# Canceling, and workers that die or come late.


def test_canceling_frees_the_category(filled, frozen):
    job = build.start(frozen, by="7")
    build.cancel(job, by="8")
    assert (job.status, job.live_category) == ("canceled", None)
    frozen.refresh_from_db()
    assert frozen.status == "failed"
    assert events()[-1] == "build_canceled"
    assert not build.advance(job.pk)
    with pytest.raises(InvalidTransition):
        build.cancel(job, by="8")
    assert build.run(build.start(frozen, by="7")).status == "succeeded"


@pytest.mark.parametrize("step", ["on_register", "on_submit", "on_poll"])
def test_a_result_that_comes_after_the_cancel_is_ignored(job, remote, step):
    default = getattr(remote, step)

    def cancel_meanwhile():
        build.cancel(BuildJob.objects.get(pk=job.pk), by="8")
        return default()

    setattr(remote, step, cancel_meanwhile)
    job = build.run(job)
    assert job.status == "canceled"
    assert job.version.status == "failed"
    assert job.version.artifact is None
    if step == "on_register":
        assert job.version.provider_version == ""
    assert events()[-1] == "build_canceled"


def test_a_fault_that_comes_after_the_cancel_is_ignored(job, remote):
    def cancel_and_fail():
        build.cancel(BuildJob.objects.get(pk=job.pk), by="8")
        raise BuildFailed("No.")

    remote.on_poll = cancel_and_fail
    job = build.run(job)
    assert (job.status, job.error_message) == ("canceled", "")


def test_anothers_lease_blocks(job, remote):
    BuildJob.objects.update(
        lease_token="other", lease_until=DbNow() + timedelta(seconds=60)
    )
    assert build.due() == []
    assert not build.advance(job.pk)
    assert remote.calls == []


@pytest.mark.parametrize("step", ["on_register", "on_submit", "on_poll"])
def test_a_dead_workers_build_is_taken_over_under_the_same_name(job, remote, step):
    class Died(BaseException):
        pass

    setattr(remote, step, failing(Died()))
    with pytest.raises(Died):
        build.advance(job.pk)
    # Its lease stands until it runs out.
    assert not build.advance(job.pk)
    expire_lease(job)
    assert build.due() == [job.pk]
    setattr(remote, step, Remote("remote").__dict__[step])
    job = build.run(job)
    assert job.status == "succeeded"
    # What may have happened is asked for again, by the operation's name.
    again = step.removeprefix("on_")
    assert [name for name, _ in remote.calls].count(again) == 2
    assert {operation for _, operation in remote.calls} == {job.operation_id}
    assert job.operation_id


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_worker_that_is_told_to_end_gives_its_lease_back(job, remote, end):
    remote.on_poll = failing(end())
    with pytest.raises(end):
        build.advance(job.pk)
    assert build.due() == [job.pk]
    remote.on_poll = Remote("remote").on_poll
    assert build.run(job).status == "succeeded"


def test_a_worker_that_was_taken_over_changes_nothing(job, remote):
    def lose_the_lease():
        BuildJob.objects.update(lease_token="other")
        return BuildState(status="succeeded", raw_status="Succeeded")

    remote.on_poll = lose_the_lease
    job = build.run(job)
    assert (job.status, job.lease_token) == ("building", "other")
    assert job.version.status == "building"


def test_progress_is_shown_and_renews_the_lease(job, remote):
    seen = []

    def poll(request, provider_version, progress):
        expire_lease(job)
        progress("fit" * 100, 0.5)
        seen.append(BuildJob.objects.get(pk=job.pk))
        progress("late", 2.0)
        return BuildState(status="succeeded")

    remote.poll = poll
    build.run(job)
    (row,) = seen
    assert (row.phase, row.progress) == (("fit" * 100)[:60], 50)
    assert row.lease_until > row.created_at + timedelta(seconds=60)


# Transitions.


def put(job, status):
    """The row in ``status``, past all transitions."""
    final = status in BuildJob.FINAL
    BuildJob.objects.filter(pk=job.pk).update(
        live_category=None if final else job.version.category_id,
        finished_at=DbNow() if final else None,
        status=status,
    )
    job.refresh_from_db()


def test_every_pair_of_statuses_is_allowed_or_refused_by_the_table(job):
    assert set(BuildJob.TRANSITIONS) == set(Status)
    for before in Status:
        for after in Status:
            put(job, before)
            if before in BuildJob.TRANSITIONS[after]:
                job.move(after)
                assert job.status == after
                assert (job.finished_at is None) == (after not in BuildJob.FINAL)
                assert (job.live_category_id is None) == (after in BuildJob.FINAL)
            else:
                with pytest.raises(InvalidTransition, match=f"can't become {after}"):
                    job.move(after)
                job.refresh_from_db()
                assert job.status == before


def test_what_is_over_stays_over(job):
    for status in BuildJob.TRANSITIONS:
        assert not set(BuildJob.FINAL) & set(BuildJob.TRANSITIONS[status])
    assert BuildJob.TRANSITIONS[Status.CANCELED] == BuildJob.LIVE


def test_a_move_needs_the_lease_and_the_status_it_was_read_with(job):
    stale = BuildJob.objects.get(pk=job.pk)
    job.move(Status.REGISTERING)
    job.move(Status.REGISTERED)
    with pytest.raises(InvalidTransition):
        stale.move(Status.REGISTERING)
    BuildJob.objects.update(lease_token="other")
    with pytest.raises(InvalidTransition):
        job.move(Status.SUBMITTING)
    job.refresh_from_db()
    assert job.status == "registered"


# Activating.


@pytest.fixture
def policies(filled):
    """One policy with a rule for the category, and one without."""
    named, other = (Policy.objects.create(slug=slug) for slug in ("named", "other"))
    PolicyRule.objects.create(
        policy=named, category="scam", provider="local", block_at=0.9
    )
    PolicyRule.objects.create(
        policy=other, category="Hate", scale="severity", block_at=6
    )
    return named, other


def versions_of(policies):
    for policy in policies:
        policy.refresh_from_db()
    return [policy.version for policy in policies]


def test_activating_and_rolling_back(filled, policies):
    one, two = (build.freeze(filled, by="7") for _ in range(2))
    for version in (one, two):
        build.run(build.start(version, by="7"))
    heard = []

    def hear(sender, category, version, by, **kwargs):
        heard.append((category.name, version.number, by))

    before = versions_of(policies)
    version_activated.connect(hear)
    try:
        for version in (one, two, one):
            build.activate(version, by="8")
    finally:
        version_activated.disconnect(hear)
    filled.refresh_from_db()
    assert filled.active_version == one
    assert heard == [("scam", 1, "8"), ("scam", 2, "8"), ("scam", 1, "8")]
    moves = LogEntry.objects.filter(event="activated").order_by("pk")
    assert list(moves.values_list("from_value", "to_value", "actor_key")) == [
        ("", "v1", "8"),
        ("v1", "v2", "8"),
        ("v2", "v1", "8"),
    ]
    # Stored decisions tell which version they were made with.
    assert versions_of(policies) == [before[0] + 3, before[1]]


@pytest.mark.parametrize("status", [s for s in CategoryVersion.Status if s != "ready"])
def test_only_a_ready_version_is_activated(frozen, policies, status):
    CategoryVersion.objects.update(status=status)
    before = versions_of(policies)
    with pytest.raises(RefusedError, match=f"scam v1 is {status.label}"):
        build.activate(frozen, by="7")
    category = Category.objects.get()
    assert category.active_version is None
    assert versions_of(policies) == before
    assert "activated" not in events()


def test_a_category_can_be_deleted_with_its_active_version(frozen):
    build.run(build.start(frozen, by="7"))
    build.activate(frozen, by="7")
    Category.objects.get().delete()
    assert not CategoryVersion.objects.exists()


def test_an_active_version_is_not_deleted_alone(frozen):
    build.run(build.start(frozen, by="7"))
    build.activate(frozen, by="7")
    with pytest.raises(RestrictedError):
        CategoryVersion.objects.all().delete()
    category = Category.objects.get()
    assert category.active_version == frozen
