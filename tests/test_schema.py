"""What the database itself holds to, on each of them."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.db import IntegrityError, connections, models, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from django_contentsafety.exceptions import AppendOnly, FrozenVersion
from django_contentsafety.models import (
    Action,
    BlocklistItem,
    BuildJob,
    BulkRound,
    Category,
    CategoryVersion,
    Coverage,
    DbNow,
    Heartbeat,
    KeyField,
    LogEntry,
    ModerationResult,
    ModerationState,
    Policy,
    PolicyRule,
    ProviderBudget,
    ProviderHealth,
    Review,
    Sample,
)
from django_contentsafety.models.claims import SPREAD

pytestmark = pytest.mark.django_db(databases="__all__")

#: They live beside the moderated object, in its database.
ROW_TABLES = [
    ModerationState,
    ModerationResult,
    Action,
    Review,
    LogEntry,
    Coverage,
    BulkRound,
]
ALL = list(apps.get_app_config("contentsafety").get_models(include_auto_created=True))

#: Three keys that a case-folding, padding collation takes for one.
ALIKE = ["KEY-1", "key-1", "KEY-1 "]


@contextmanager
def refused(using):
    with pytest.raises(IntegrityError), transaction.atomic(using):
        yield


def state(using, **values):
    names = {"model": "testapp.page", "object_key": "k", "policy": "p"}
    rows = ModerationState.objects.using(using)
    return rows.create(**{**names, "content_hash": "h", "hash_key": "k", **values})


def category(using, name="scam"):
    return Category.objects.using(using).create(name=name, definition="d")


def version(using, of, number=1, **values):
    return CategoryVersion.objects.using(using).create(
        category=of,
        number=number,
        definition="d",
        provider="default",
        samples_jsonl=b"{}",
        samples_sha256="0",
        positive_count=1,
        negative_count=1,
        **values,
    )


# Names.


@pytest.mark.parametrize("field", ["model", "object_key", "policy"])
def test_a_state_is_one_by_its_exact_bytes(using, field):
    for value in ALIKE:
        state(using, **{field: value})
    rows = ModerationState.objects.using(using)
    assert rows.count() == 3
    for value in ALIKE:
        assert rows.get(**{field: value}).policy is not None
    with refused(using):
        state(using, **{field: ALIKE[0]})


#: For each table with a unique name: how to write a row by that name.
UNIQUE_NAMES = {
    Category: category,
    Policy: lambda using, name: Policy.objects.using(using).create(slug=name),
    Heartbeat: lambda using, name: Heartbeat.objects.using(using).create(name=name),
    Coverage: lambda using, name: Coverage.objects.using(using).create(
        model="m", policy=name
    ),
    ProviderBudget: lambda using, name: ProviderBudget.objects.using(using).create(
        provider=name
    ),
    ProviderHealth: lambda using, name: ProviderHealth.objects.using(using).create(
        provider=name
    ),
}


@pytest.mark.parametrize("model", UNIQUE_NAMES, ids=lambda model: model.__name__)
def test_a_name_is_one_by_its_exact_bytes(using, model):
    before = model.objects.using(using).count()
    for value in ALIKE:
        UNIQUE_NAMES[model](using, value)
    assert model.objects.using(using).count() == before + 3
    with refused(using):
        UNIQUE_NAMES[model](using, ALIKE[0])


@pytest.mark.mariadb
def test_keys_are_compared_byte_for_byte_on_mariadb():
    keys = {
        (model._meta.db_table, field.column)
        for model in ALL
        for field in model._meta.local_fields
        if isinstance(field, KeyField)
    }
    with connections["mariadb"].cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, character_set_name, collation_name "
            "FROM information_schema.columns WHERE table_schema = DATABASE()"
        )
        found = {(row[0], row[1]): (row[2], row[3]) for row in cursor.fetchall()}
    assert len(keys) > 30
    assert {found[key] for key in keys} == {("utf8mb4", "utf8mb4_nopad_bin")}


def test_names_are_key_fields():
    """What rows are found by is a KeyField, in every table."""
    names = {"model", "object_key", "policy", "slug", "name", "subject", "term"}
    names |= {"provider", "source_model", "source_key", "cursor", "created_by"}
    loose = {
        (model.__name__, field.name)
        for model in ALL
        for field in model._meta.local_fields
        if (field.name in names or field.name.endswith("_key"))
        and isinstance(field, models.CharField)
        and not isinstance(field, KeyField)
    }
    # A digest's id is hex; the other two are validated against the settings' aliases
    # and never compared in SQL.
    assert loose == {
        ("ModerationState", "hash_key"),
        ("Category", "provider"),
        ("CategoryVersion", "provider"),
    }


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_constraints_and_indexes_have_our_prefix_and_exist(using, model):
    names = [
        *(constraint.name for constraint in model._meta.constraints),
        *(index.name for index in model._meta.indexes),
    ]
    connection = connections[using]
    with connection.cursor() as cursor:
        existing = connection.introspection.get_constraints(
            cursor, model._meta.db_table
        )
    for name in names:
        assert name.startswith("contentsafety_")
        assert len(name) <= 30
        assert name in existing


def test_tables_have_our_prefix():
    assert all(model._meta.db_table.startswith("contentsafety_") for model in ALL)


@pytest.mark.parametrize("model", ROW_TABLES, ids=lambda model: model.__name__)
def test_row_tables_refer_to_nothing(model):
    relations = [field for field in model._meta.get_fields() if field.is_relation]
    assert relations == []


def test_every_table_is_a_row_table_or_a_site_table():
    site = set(ALL) - set(ROW_TABLES)
    assert {model.__name__ for model in site} == {
        "Blocklist",
        "BlocklistItem",
        "BuildJob",
        "CardJob",
        "Category",
        "CategoryVersion",
        "Heartbeat",
        "Policy",
        "PolicyRule",
        "Policy_blocklists",
        "ProviderBudget",
        "ProviderHealth",
        "Sample",
    }


# Constraints.


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ({}, True),
        ({"decision": "allow", "decided_generation": 1}, True),
        ({"decision": "allow", "decided_generation": 1, "generation": 2}, True),
        ({"decision": "allow"}, True),
        ({"decided_generation": 1}, False),
        ({"decision": "allow", "decided_generation": 2}, False),
    ],
)
def test_a_decision_is_about_a_text_that_was(using, values, holds):
    if holds:
        state(using, **values)
    else:
        with refused(using):
            state(using, **values)


@pytest.mark.parametrize("final", BuildJob.FINAL)
def test_a_category_has_one_live_build(using, final):
    scam, hoax = category(using), category(using, "hoax")
    one, two = version(using, scam), version(using, scam, 2)
    jobs = BuildJob.objects.using(using)
    job = jobs.create(version=one, live_category=scam)
    with refused(using):
        jobs.create(version=two, live_category=scam)
    jobs.create(version=version(using, hoax), live_category=hoax)
    # A live job names its category, a finished one has let go of it.
    for values in (
        {"live_category": None},
        {"status": final},
        {"status": final, "live_category": None},
        {"finished_at": DbNow()},
    ):
        with refused(using):
            jobs.filter(pk=job.pk).update(**values)
    jobs.filter(pk=job.pk).update(live_category=None, finished_at=DbNow(), status=final)
    jobs.create(version=two, live_category=scam)


def test_a_number_is_given_once(using):
    scam, hoax = category(using), category(using, "hoax")
    version(using, scam)
    version(using, scam, 2)
    version(using, hoax)
    with refused(using):
        version(using, scam, 2)


def test_a_sample_is_in_a_category_once(using):
    scam, hoax = category(using), category(using, "hoax")
    samples = Sample.objects.using(using)
    samples.create(category=scam, text="x")
    samples.create(category=hoax, text="x")
    with refused(using):
        samples.create(category=scam, text=" x ", is_positive=False)


def test_a_term_is_in_a_list_once(using):
    policy = Policy.objects.using(using).create(slug="listed")
    blocklist = policy.blocklists.create(name="l")
    for term in ALIKE:
        blocklist.items.create(term=term)
    with refused(using):
        BlocklistItem.objects.using(using).create(blocklist=blocklist, term="KEY-1")


def rule(policy, **values):
    return PolicyRule(
        policy=policy,
        **{"category": "Hate", "scale": "severity", "block_at": 6, **values},
    )


#: Thresholds, and whether the database takes them.
THRESHOLDS = [
    ("severity", 4, 6, True),
    ("severity", 0, 7, True),
    ("severity", 5, 5, True),
    ("severity", None, None, True),
    ("severity", 6, 4, False),
    ("severity", -1, 6, False),
    ("severity", None, -1, False),
    ("severity", None, 7.5, False),
    ("severity", 7.5, None, False),
    ("score", 0.0, 1.0, True),
    ("score", None, 1.01, False),
    ("score", 1.01, None, False),
    ("score", -0.01, None, False),
    ("detected", 1, 1, True),
    ("detected", None, 2, False),
    ("stars", None, 1, False),
]


@pytest.mark.parametrize(("scale", "review_at", "block_at", "holds"), THRESHOLDS)
def test_a_rules_thresholds_hold_past_its_validation(
    using, scale, review_at, block_at, holds
):
    policy = Policy.objects.using(using).create(slug="rules")
    values = {"scale": scale, "review_at": review_at, "block_at": block_at}
    rules = PolicyRule.objects.using(using)
    if holds:
        rules.bulk_create([rule(policy, **values)])
        assert rules.filter(policy=policy).update(**values) == 1
    else:
        with refused(using):
            rules.bulk_create([rule(policy, **values)])
        rules.bulk_create([rule(policy)])
        with refused(using):
            rules.filter(policy=policy).update(**values)


def test_a_category_has_one_rule_a_provider(using):
    policy = Policy.objects.using(using).create(slug="rules")
    rules = PolicyRule.objects.using(using)
    rules.bulk_create([rule(policy), rule(policy, provider="local")])
    with refused(using):
        rules.bulk_create([rule(policy, block_at=7)])


#: Rows that are unique beside the names above.
ONCE = {
    ModerationResult: {
        "model": "m",
        "object_key": "k",
        "policy": "p",
        "state_id": 1,
        "generation": 1,
        "round": 0,
        "source": "default",
    },
    Action: {
        "model": "m",
        "object_key": "k",
        "policy": "p",
        "state_id": 1,
        "generation": 1,
        "kind": "mail",
    },
}


@pytest.mark.parametrize("model", ONCE, ids=lambda model: model.__name__)
def test_a_result_and_an_action_are_written_once(using, model):
    rows = model.objects.using(using)
    rows.create(**ONCE[model])
    rows.create(**{**ONCE[model], "generation": 2})
    rows.create(**{**ONCE[model], "state_id": 2})
    with refused(using):
        rows.create(**{**ONCE[model], "object_key": "other"})


# The clock.


@contextmanager
def somewhere_else(using):
    """The session's own zone is five hours off, where it has one."""
    statement = {
        "mysql": "SET time_zone = %s",
        "postgresql": "SELECT set_config('TimeZone', %s, false)",
    }.get(connections[using].vendor)
    with connections[using].cursor() as cursor:
        if statement is None:
            yield
            return
        question = "SELECT @@time_zone" if "@@" not in statement else ""
        if connections[using].vendor == "postgresql":
            question = "SHOW TimeZone"
        cursor.execute(question)
        (before,) = cursor.fetchone()
        cursor.execute(statement, ["+05:00"])
        try:
            yield
        finally:
            cursor.execute(statement, [before])


def seconds_since_1970(using):
    question = {
        "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400",
        "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
        "mysql": "SELECT unix_timestamp(now(6))",
    }[connections[using].vendor]
    with connections[using].cursor() as cursor:
        cursor.execute(question)
        return float(cursor.fetchone()[0])


def test_the_clock_is_the_databases_in_utc(using):
    with somewhere_else(using):
        row = Heartbeat.objects.using(using).create(name="clock")
        row.refresh_from_db()
        rows = Heartbeat.objects.using(using).filter(pk=row.pk)
        selected = rows.values_list(DbNow(), flat=True).get()
        # Written by UPDATE, and compared in WHERE.
        rows.update(lease_until=DbNow() + timedelta(seconds=60))
        lease = rows.values_list("lease_until", flat=True).get()
        assert rows.filter(lease_until__gt=DbNow() + timedelta(seconds=50)).exists()
        assert not rows.filter(lease_until__gt=DbNow() + timedelta(seconds=70)).exists()
        now = datetime.fromtimestamp(seconds_since_1970(using), tz=UTC)
    for moment in (row.beat_at, selected, lease - timedelta(seconds=60)):
        assert moment.tzinfo is not None
        # Either side: SQLite gives its days as a float.
        assert abs(now - moment) < timedelta(seconds=1)


@pytest.mark.mariadb
def test_the_clock_of_a_session_elsewhere_was_really_off():
    with somewhere_else("mariadb"), connections["mariadb"].cursor() as cursor:
        cursor.execute("SELECT timestampdiff(HOUR, utc_timestamp(), now())")
        assert cursor.fetchone() == (5,)


def test_every_time_the_database_gives_is_by_this_clock():
    fields = [
        field
        for model in ALL
        for field in model._meta.local_fields
        if isinstance(field, models.DateTimeField)
    ]
    given = [field.db_default for field in fields if field.has_db_default()]
    assert len(given) > 15
    assert all(type(default) is DbNow for default in given)
    # No Python clock hides in another kind of default.
    for field in fields:
        assert not (field.auto_now or field.auto_now_add or field.has_default())


# Append-only.


def log_entry(using, **values):
    return LogEntry.objects.using(using).create(event="e", **values)


def result(using):
    rows = ModerationResult.objects.using(using)
    return rows.create(**ONCE[ModerationResult])


def save(row):
    row.model = "changed"
    row.save()


def save_some(row):
    row.save(update_fields=["model"])


def save_over(row):
    """A new instance with the key of an old row."""
    values = {field.attname: getattr(row, field.attname) for field in row._meta.fields}
    type(row)(**{**values, "model": "changed"}).save(using=row._state.db)


def update(row):
    type(row).objects.using(row._state.db).update(model="changed")


def bulk_update(row):
    row.model = "changed"
    type(row).objects.using(row._state.db).bulk_update([row], ["model"])


def update_or_create(row):
    rows = type(row).objects.using(row._state.db)
    rows.update_or_create({"model": "changed"}, pk=row.pk)


def upsert(row):
    row.model = "changed"
    extra = (
        {}
        if connections[row._state.db].vendor == "mysql"
        else {"unique_fields": ["id"]}
    )
    type(row).objects.using(row._state.db).bulk_create(
        [row], update_conflicts=True, update_fields=["model"], **extra
    )


def delete(row):
    row.delete()


def delete_all(row):
    type(row).objects.using(row._state.db).delete()


CHANGES = [save, save_some, save_over, update, bulk_update, update_or_create, upsert]


@pytest.mark.parametrize("change", [*CHANGES, delete, delete_all])
def test_the_log_is_never_changed_and_never_deleted(using, change):
    entry = log_entry(using, model="m")
    with pytest.raises((AppendOnly, IntegrityError)), transaction.atomic(using):
        change(entry)
    assert LogEntry.objects.using(using).get(pk=entry.pk).model == "m"


# Deleting is retention's way out, and stays open.
@pytest.mark.parametrize("change", CHANGES)
def test_a_result_is_never_changed(using, change):
    row = result(using)
    with pytest.raises((AppendOnly, IntegrityError)), transaction.atomic(using):
        change(row)
    assert ModerationResult.objects.using(using).get(pk=row.pk).model == "m"


def test_erasing_texts_is_the_one_change_of_a_result(using):
    row = ModerationResult.objects.using(using).create(
        **ONCE[ModerationResult], text="private", spans=[{"field": "body"}]
    )
    mine = ModerationResult.objects.using(using).filter(pk=row.pk)
    assert mine.erase_texts() == 1
    assert mine.values_list("text", "spans", "model").get() == (None, [], "m")


@pytest.mark.parametrize("name", sorted(CategoryVersion.FROZEN_FIELDS - {"category"}))
def test_a_frozen_column_never_changes(using, name):
    row = version(using, category(using))
    rows = CategoryVersion.objects.using(using).filter(pk=row.pk)
    (before,) = rows.values_list(name)
    old = before[0]
    other = category(using, "other").pk if name == "category_id" else type(old)(2)
    setattr(row, name, other)
    for change in (
        lambda: row.save(),
        lambda: row.save(update_fields=[name]),
        lambda: row.save(update_fields=["status", name]),
        lambda: rows.update(**{name: other}),
        lambda: rows.bulk_update([row], [name.removesuffix("_id")]),
    ):
        with pytest.raises(FrozenVersion), transaction.atomic(using):
            change()
    assert rows.values_list(name).get() == before


def test_a_foreign_key_under_its_other_name_is_frozen_too(using):
    row, other = version(using, category(using)), category(using, "other")
    row.category = other
    with pytest.raises(FrozenVersion):
        row.save(update_fields=["category"])
    with pytest.raises(FrozenVersion):
        CategoryVersion.objects.using(using).filter(pk=row.pk).update(category=other)


def test_a_version_with_the_key_of_another_replaces_nothing(using):
    row = version(using, category(using))
    values = {field.attname: getattr(row, field.attname) for field in row._meta.fields}
    copy = CategoryVersion(**{**values, "definition": "changed"})
    with refused(using):
        copy.save(using=using)
    row.refresh_from_db()
    assert row.definition == "d"


def test_the_other_columns_of_a_version_are_written_by_name(using):
    row = version(using, category(using))
    row.status, row.definition = "ready", "changed"
    row.save(update_fields=["status"])
    row.refresh_from_db()
    assert (row.status, row.definition) == ("ready", "d")


# The queue.


@pytest.mark.parametrize(
    "using", ["default", pytest.param("postgresql", marks=pytest.mark.postgresql)]
)
def test_claiming_reads_the_due_index(using):
    rows = ModerationState.objects.using(using)
    rows.bulk_create(
        ModerationState(
            model="m",
            object_key=str(number),
            policy="p",
            content_hash="h",
            hash_key="k",
            state="pending" if number % 50 == 0 else "done",
            available_at=DbNow(),
            first_pending_at=DbNow(),
            created_at=DbNow(),
        )
        for number in range(3 * SPREAD)
    )
    with CaptureQueriesContext(connections[using]) as queries:
        claimed = rows.claim(policies=["p"], limit=5, lease=60)
    assert len(claimed) == 5
    pick = next(q["sql"] for q in queries if q["sql"].startswith("SELECT"))
    explain = "EXPLAIN QUERY PLAN " if using == "default" else "EXPLAIN "
    with connections[using].cursor() as cursor:
        if using == "postgresql":
            # Few rows fit into one page, which it rightly reads instead.
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("ANALYZE contentsafety_moderationstate")
        cursor.execute(explain + pick)
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert "contentsafety_state_due" in plan
    assert "SCAN contentsafety" not in plan
    assert "Seq Scan" not in plan


def test_what_waits_is_claimed_before_what_a_dead_worker_left(using):
    dead = state(using, object_key="dead", state="leased")
    ModerationState.objects.using(using).update(lease_until=DbNow() - timedelta(1))
    waiting = state(using, object_key="waiting")
    rows = ModerationState.objects.using(using)
    claim = {"policies": ["p"], "limit": 1, "lease": 60}
    assert [row.pk for row in rows.claim(**claim)] == [waiting.pk]
    assert [row.pk for row in rows.claim(**claim, only=[waiting.pk])] == []
    assert [(row.pk, row.crashes) for row in rows.claim(**claim)] == [(dead.pk, 1)]
    assert rows.claim(**claim) == []


def test_a_state_counts_its_generations_in_the_database(using):
    row = state(using)
    rows = ModerationState.objects.using(using).filter(pk=row.pk)
    rows.update(generation=F("generation") + 1)
    rows.resubmit("h2", "k")
    row.refresh_from_db()
    assert (row.generation, row.round, row.content_hash) == (3, 0, "h2")
