"""Each wrong configuration has a check with an id, a remedy and a line in the docs."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.core import checks as django_checks
from django.core.checks import Tags
from django.db import connection, models
from django.test.utils import isolate_apps

import django_contentsafety
from django_contentsafety import ModelModeration, checks, receivers
from django_contentsafety.checks import configuration, registrations, rows
from django_contentsafety.conf import known_settings
from django_contentsafety.engine import minilm
from django_contentsafety.models import (
    Coverage,
    DbNow,
    Heartbeat,
    ModerationState,
    Policy,
)
from django_contentsafety.providers import local
from django_contentsafety.providers.azure import checks as azure_checks
from django_contentsafety.registry import Registry
from django_contentsafety.routers import RowTables
from tests.testapp.models import Comment, Note, Photo, Post

PACKAGE = Path(django_contentsafety.__file__).parent
DOCS = Path(__file__).parent.parent / "docs" / "reference" / "checks.md"

DUMMY = "django_contentsafety.providers.dummy.DummyProvider"


class ByText(ModelModeration):
    fields = ("text",)


def ids(check, **kwargs):
    messages = list(check(app_configs=None, **kwargs))
    for message in messages:
        assert message.hint, message
        # An E is an error and a W a warning.
        kind = "E" if message.level >= django_checks.ERROR else "W"
        assert message.id.startswith(f"contentsafety.{kind}")
    return [message.id.removeprefix("contentsafety.") for message in messages]


@pytest.fixture
def registry(monkeypatch):
    """An empty registry; what is registered in it stays unconnected."""
    empty = Registry()
    for module in (registrations, rows):
        monkeypatch.setattr(module, "registry", empty)
    return empty


# The ids.


def ids_in_code():
    sources = [
        path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
        if "migrations" not in path.parts
    ]
    return Counter(re.findall(r'"contentsafety\.([EW]\d{3})"', "".join(sources)))


def test_each_id_stands_for_one_thing():
    assert [name for name, count in ids_in_code().items() if count > 1] == []


def test_each_id_is_documented_with_a_remedy_and_none_besides():
    rows = re.findall(
        r"^\| `contentsafety\.([EW]\d{3})` \| (.+) \| (.+) \|$",
        DOCS.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    documented = [name for name, meaning, remedy in rows if meaning and remedy]
    assert sorted(documented) == sorted(ids_in_code())
    assert documented == sorted(documented)


def test_each_id_has_a_test():
    source = Path(__file__).read_text(encoding="utf-8")
    missing = [name for name in ids_in_code() if f'"{name}"' not in source]
    assert missing == []


@pytest.mark.django_db(databases="__all__")
def test_the_checks_are_registered_and_the_tests_settings_are_right():
    ours = {checks.check_settings, checks.check_providers, checks.check_registrations}
    ours.add(checks.check_rows)
    assert ours <= set(django_checks.registry.registry.get_checks())
    found = django_checks.run_checks(databases=["default", "other"])
    # The policies that migrating has founded are in shadow.
    assert {message.id for message in found} == {"contentsafety.W041"}


# Settings.


#: What is set, and the ids that it gives.
SETTINGS = [
    ({}, []),
    ({"CONTENTSAFETY_WAIK": "celery"}, ["E001"]),
    ({"CONTENTSAFETY_URL": "local://"}, ["E001"]),
    ({"CONTENTSAFETY_A": 1, "CONTENTSAFETY_B": 2}, ["E001", "E001"]),
    ({"CONTENTSAFETY_WAKE": "redis"}, ["E002"]),
    ({"CONTENTSAFETY_WAKE": None}, []),
    ({"CONTENTSAFETY_STORE_TEXT": True}, ["E002"]),
    ({"CONTENTSAFETY_STORE_TEXT": ["always"]}, ["E002"]),
    ({"CONTENTSAFETY_ENABLED": "no"}, ["E002"]),
    ({"CONTENTSAFETY_DATABASES": "default"}, ["E002"]),
    ({"CONTENTSAFETY_DATABASES": ["default"]}, []),
    ({"CONTENTSAFETY_BATCH_SIZE": 0}, ["E002"]),
    ({"CONTENTSAFETY_BATCH_SIZE": 1.5}, ["E002"]),
    ({"CONTENTSAFETY_BATCH_SIZE": True}, ["E002"]),
    ({"CONTENTSAFETY_LEASE_SECONDS": -1}, ["E002"]),
    ({"CONTENTSAFETY_LEASE_SECONDS": "120"}, ["E002"]),
    ({"CONTENTSAFETY_DRAIN_SECONDS": 0.5}, []),
    ({"CONTENTSAFETY_DRAIN_SECONDS": float("nan")}, ["E002"]),
    ({"CONTENTSAFETY_OUTAGE_AFTER": None}, ["E002"]),
    ({"CONTENTSAFETY_MAX_AGE": float("inf")}, ["E002"]),
    ({"CONTENTSAFETY_KEEP_ALLOWED_DAYS": None}, []),
    ({"CONTENTSAFETY_KEEP_ALLOWED_DAYS": 0}, ["E002"]),
    ({"CONTENTSAFETY_KEEP_DECIDED_DAYS": 7.5}, ["E002"]),
    ({"CONTENTSAFETY_ACTIVATION_BAR": {"precision": 0.8, "recall_low": 1}}, []),
    ({"CONTENTSAFETY_ACTIVATION_BAR": {"precison": 0.8}}, ["E002"]),
    ({"CONTENTSAFETY_ACTIVATION_BAR": {"f1": "0.8"}}, ["E002"]),
    ({"CONTENTSAFETY_ACTIVATION_BAR": {"f1": True}}, ["E002"]),
    ({"CONTENTSAFETY_ACTIVATION_BAR": {"f1": 80}}, ["E002"]),
    ({"CONTENTSAFETY_ACTIVATION_BAR": {"f1": float("nan")}}, ["E002"]),
    ({"CONTENTSAFETY_ACTIVATION_BAR": 0.8}, ["E002"]),
    ({"CONTENTSAFETY_WITHHELD_SHARE": 0}, []),
    ({"CONTENTSAFETY_WITHHELD_SHARE": 0.5}, []),
    ({"CONTENTSAFETY_WITHHELD_SHARE": 0.51}, ["E002"]),
    ({"CONTENTSAFETY_WITHHELD_SHARE": -0.1}, ["E002"]),
    ({"CONTENTSAFETY_WITHHELD_SHARE": True}, ["E002"]),
    ({"CONTENTSAFETY_WITHHELD_SHARE": float("nan")}, ["E002"]),
    ({"CONTENTSAFETY_WITHHELD_SHARE": "0.2"}, ["E002"]),
    ({"CONTENTSAFETY_HEALTH_TOKEN": "t" * 20}, []),
    ({"CONTENTSAFETY_HEALTH_TOKEN": "t" * 19}, ["E004"]),
    ({"CONTENTSAFETY_HEALTH_TOKEN": ""}, ["E004"]),
    ({"CONTENTSAFETY_HEALTH_TOKEN": ["t"] * 20}, ["E004"]),
    ({"USE_TZ": False}, ["E003"]),
    ({"CONTENTSAFETY_ENABLED": False}, ["W004"]),
    ({"CONTENTSAFETY_ENABLED": False, "DEBUG": True}, []),
]


@pytest.mark.parametrize(("given", "expected"), SETTINGS)
def test_settings(settings, given, expected):
    for name, value in given.items():
        setattr(settings, name, value)
    assert ids(checks.check_settings) == expected


def test_every_setting_is_checked_or_holds_keys():
    unchecked = {"PROVIDERS", "HASH_KEY", "HASH_KEY_FALLBACKS", "HEALTH_TOKEN"}
    checked = {f"CONTENTSAFETY_{name}" for name in {*configuration.VALUES, *unchecked}}
    assert checked == set(known_settings())


def test_a_message_repeats_no_key(settings):
    settings.CONTENTSAFETY_HASH_KEI = "s3cr3t"
    settings.CONTENTSAFETY_PROVIDERS = {
        "default": {"BACKEND": DUMMY, "OPTIONS": {"key": "s3cr3t"}}
    }
    for check in (checks.check_settings, checks.check_providers):
        (message,) = check()
        assert "s3cr3t" not in str(message)


def test_another_django(monkeypatch):
    monkeypatch.setattr(receivers, "SIGNATURE", (*receivers.SIGNATURE, "new"))
    assert ids(checks.check_settings) == ["W003"]


@pytest.mark.parametrize(
    ("installed", "expected"),
    [("2.6.0", []), ("3.0", []), ("2.5.9", ["W005"]), ("1.26.20", ["W005"])],
)
def test_an_old_urllib3_is_said_so(monkeypatch, installed, expected):
    monkeypatch.setattr(configuration, "version", lambda name: installed)
    assert ids(checks.check_dependencies) == expected


# Providers.


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ({"default": {"BACKEND": DUMMY}}, []),
        ([], ["E011"]),
        (None, ["E011"]),
        ({"default": DUMMY}, ["E011"]),
        ({"default": {}}, ["E011"]),
        ({"default": {"BACKEND": "no.such.Thing"}}, ["E011"]),
        ({"default": {"BACKEND": DUMMY, "OPTIONS": {"scrip": 1}}}, ["E011"]),
        ({"a": {"BACKEND": "x"}, "b": {"BACKEND": DUMMY}, "c": {}}, ["E011", "E011"]),
        ({"blocklists": {"BACKEND": DUMMY}}, ["E012"]),
    ],
)
def test_providers(settings, configured, expected):
    settings.CONTENTSAFETY_PROVIDERS = configured
    assert ids(checks.check_providers) == expected


def azure(host="name.cognitiveservices.azure.com", kind="content_safety", **options):
    name = "".join(word.title() for word in kind.split("_"))
    if "credential" not in options:
        options["key"] = "k"
    return {
        "BACKEND": f"django_contentsafety.providers.azure_{kind}.Azure{name}",
        "OPTIONS": {"endpoint": f"https://{host}", **options},
    }


CONTAINER = "https://account.blob.core.windows.net/samples"


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        (azure(), []),
        (azure(credential="default"), ["E013"]),
        (
            azure("eastus.api.cognitive.microsoft.com", credential="default"),
            ["E013", "E014"],
        ),
        (azure("name.cognitiveservices.azure.us"), ["E015"]),
        (azure(api_version="2027-01-01"), ["W013"]),
        (azure(api_version="2023-10-01"), ["W014"]),
        (azure(blob_container=CONTAINER, blob_sas="sig=x"), ["E016", "W015"]),
        (azure(kind="content_moderator"), ["W016"]),
    ],
)
def test_azures_services(monkeypatch, settings, provider, expected):
    monkeypatch.setattr(azure_checks, "find_spec", lambda name: None)
    settings.CONTENTSAFETY_PROVIDERS = {"default": provider}
    assert ids(checks.check_providers) == expected


@pytest.mark.parametrize(
    ("missing", "expected"),
    [([], []), (["numpy", "sklearn"], ["E010"]), (["sklearn"], ["W010"])],
)
def test_the_embedded_engines_packages(monkeypatch, settings, missing, expected):
    monkeypatch.setattr(
        local, "find_spec", lambda name: None if name in missing else object()
    )
    assert ids(checks.check_providers) == expected
    for message in checks.check_providers():
        assert 'pip install "django-contentsafety[local]"' in message.hint
        assert message.obj == "provider local"


def with_tier(tier):
    return {
        "BACKEND": "django_contentsafety.providers.local.LocalProvider",
        "OPTIONS": {"tier": tier},
    }


def test_the_embedded_engines_tiers(monkeypatch, settings, tmp_path):
    settings.CONTENTSAFETY_PROVIDERS = {"default": with_tier("large")}
    assert ids(checks.check_providers) == ["E011"]
    settings.CONTENTSAFETY_PROVIDERS = {"default": with_tier("minilm")}
    assert ids(checks.check_providers) == []

    other = tmp_path / "model.onnx"
    other.write_bytes(b"another model")
    monkeypatch.setattr(minilm, "find_model", lambda: other)
    (message,) = checks.check_providers()
    assert ids(checks.check_providers) == ["E018"]
    assert "SHA-256" in message.msg
    assert "pip install --force-reinstall" in message.hint
    # Whom the tier doesn't concern, its model doesn't.
    settings.CONTENTSAFETY_PROVIDERS = {"default": with_tier("fast")}
    assert ids(checks.check_providers) == []


@pytest.mark.parametrize("missing", ["onnxruntime", "the model"])
def test_the_embedded_engines_tier_lacks_a_package(monkeypatch, settings, missing):
    settings.CONTENTSAFETY_PROVIDERS = {"default": with_tier("minilm")}
    if missing == "onnxruntime":
        monkeypatch.setattr(
            local, "find_spec", lambda name: None if name == missing else object()
        )
    else:
        monkeypatch.setattr(minilm, "DISTRIBUTION", "no-such-package-here")
    (message,) = checks.check_providers()
    assert ids(checks.check_providers) == ["E017"]
    assert 'pip install "django-contentsafety[minilm]"' in message.hint
    assert message.obj == "provider default"


# Registrations.


def registered(registry, model, **attributes):
    attributes = {"fields": ["text"], **attributes}
    registry.register(model, type("M", (ModelModeration,), attributes))
    return ids(checks.check_registrations)


@isolate_apps("tests.testapp")
def test_a_composite_primary_key(registry):
    class Line(models.Model):
        pk = models.CompositePrimaryKey("page", "number")
        page = models.IntegerField()
        number = models.IntegerField()
        text = models.TextField()

        class Meta:
            app_label = "testapp"

    assert registered(registry, Line) == ["E020"]


#: A primary key, and the ids that it gives.
KEYS = {
    "big": (models.BigAutoField(primary_key=True), []),
    "small": (models.SmallIntegerField(primary_key=True), []),
    "uuid": (models.UUIDField(primary_key=True), []),
    "slug": (models.SlugField(primary_key=True), []),
    "longest": (models.CharField(primary_key=True, max_length=255), []),
    "too long": (models.CharField(primary_key=True, max_length=256), ["E024"]),
    "without end": (models.CharField(primary_key=True), ["E024"]),
    "text": (models.TextField(primary_key=True), ["E021"]),
    "date": (models.DateField(primary_key=True), ["E021"]),
    "float": (models.FloatField(primary_key=True), ["E021"]),
    "decimal": (
        models.DecimalField(primary_key=True, max_digits=9, decimal_places=2),
        ["E021"],
    ),
    "binary": (models.BinaryField(primary_key=True), ["E021"]),
    "address": (models.GenericIPAddressField(primary_key=True), ["E021"]),
}


@pytest.mark.parametrize("case", KEYS)
@isolate_apps("tests.testapp")
def test_primary_keys(registry, case):
    field, expected = KEYS[case]
    meta = type("Meta", (), {"app_label": "testapp"})
    names = {"__module__": __name__, "Meta": meta, "text": models.TextField()}
    model = type("Text", (models.Model,), {**names, "key": field.clone()})
    assert registered(registry, model) == expected


def test_a_childs_key_is_its_parents(registry):
    assert registered(registry, Photo, fields=["caption"]) == []


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, []),
        ({"policy": "my-policy_2"}, []),
        ({"policy": "2026"}, []),
        ({"policy": "x" * 50}, []),
        ({"policy": "x" * 51}, ["E022"]),
        ({"policy": "my policy"}, ["E022"]),
        ({"policy": "häßlich"}, ["E022"]),
        ({"policy": "x\n"}, ["E022"]),
        ({"policy": ""}, ["E022"]),
        ({"fields": ["text", "txet"]}, ["E023"]),
        ({"fields": ["id"]}, ["E023"]),
        ({"policies": {"a": ["text"], "b b": ["x"]}}, ["E022", "E023"]),
        ({"depends_on": ["id"]}, []),
        ({"depends_on": ["id", "status"]}, ["E025"]),
    ],
)
def test_policies_and_fields(registry, attributes, expected):
    assert registered(registry, Note, **attributes) == expected


@pytest.mark.parametrize(
    ("model", "field", "expected"),
    [
        (Comment, "title", []),
        (Comment, "author", ["E023"]),
        (Comment, "views", ["E023"]),
        (Comment, "photo", ["E023"]),
    ],
)
def test_a_watched_field_holds_text(registry, model, field, expected):
    assert registered(registry, model, fields=[field]) == expected


# Databases.


class Refusing:
    """As many sites' routers: what isn't named is refused."""

    def allow_migrate(self, db, app_label, **hints):
        return False if db == "other" and app_label != "testapp" else None


@pytest.mark.parametrize(
    ("routers", "databases", "expected"),
    [
        ([], ["default", "other"], []),
        ([], ["default", "elsewhere"], ["E031"]),
        ([], "default", []),
        ([Refusing()], ["default", "other"], ["E030"]),
        ([Refusing(), RowTables()], ["default", "other"], ["E030"]),
        # The remedy that the hint names.
        ([RowTables(), Refusing()], ["default", "other"], []),
        ([Refusing()], ["default"], []),
    ],
)
def test_databases(registry, settings, routers, databases, expected):
    settings.DATABASE_ROUTERS = routers
    settings.CONTENTSAFETY_DATABASES = databases
    registry.register(Note, ByText)
    assert ids(checks.check_registrations) == expected


@pytest.mark.parametrize(
    ("alias", "label", "expected"),
    [
        ("default", "contentsafety", True),
        ("other", "contentsafety", True),
        ("third", "contentsafety", None),
        ("other", "auth", None),
    ],
)
def test_the_router_answers_for_our_tables_alone(settings, alias, label, expected):
    settings.CONTENTSAFETY_DATABASES = ["default", "other"]
    assert RowTables().allow_migrate(alias, label) is expected


def test_the_router_lets_our_tables_be_anywhere_without_a_list():
    assert RowTables().allow_migrate("third", "contentsafety") is True
    assert RowTables().allow_migrate("third", "auth") is None


# Rows.


@pytest.fixture
def policy(db, registry):
    registry.register(Note, type("M", (ByText,), {"policy": "notes"}))
    policy = Policy.objects.create(slug="notes", mode="live")
    policy.rules.create(category="Hate", scale="severity", block_at=6)
    return policy


def row_ids():
    return ids(checks.check_rows, databases=["default"])


def test_a_live_policy_with_rules_is_fine(policy):
    assert row_ids() == []


@pytest.mark.parametrize("mode", ["live", "shadow"])
def test_a_policy_that_decides_nothing(policy, mode):
    policy.rules.all().delete()
    Policy.objects.update(mode=mode)
    assert row_ids() == ["W040"]


def test_a_policy_in_shadow(policy):
    Policy.objects.filter(pk=policy.pk).update(mode="shadow")
    assert row_ids() == ["W041"]
    Policy.objects.filter(pk=policy.pk).update(mode="off")
    assert row_ids() == []


@pytest.mark.parametrize("column", ["on_pending", "on_outage", "on_exhausted"])
def test_a_policy_that_fails_open_without_a_reason(policy, column):
    Policy.objects.filter(pk=policy.pk).update(**{column: "show"})
    assert row_ids() == ["W042"]
    Policy.objects.filter(pk=policy.pk).update(fail_open_reason="A private wiki.")
    assert row_ids() == []


@pytest.mark.parametrize(
    ("waited", "beaten", "expected"),
    [
        (301, None, ["W043"]),
        (301, 301, ["W043"]),
        (301, 10, []),
        (200, None, []),
        (None, None, []),
    ],
)
def test_texts_that_wait_without_a_housekeeper(policy, waited, beaten, expected):
    if waited:
        state = ModerationState.objects.create(
            model="testapp.note", object_key="k", policy="notes"
        )
        ModerationState.objects.filter(pk=state.pk).update(
            first_pending_at=DbNow() - timedelta(seconds=waited)
        )
    if beaten:
        Heartbeat.objects.create(name="drain")
        Heartbeat.objects.update(beat_at=DbNow() - timedelta(seconds=beaten))
    assert row_ids() == expected


REMOTE = {"default": {"BACKEND": "tests.remotes.CountedProvider"}}


@pytest.mark.parametrize(
    ("configured", "inline_ms", "wake", "beaten", "expected"),
    [
        (REMOTE, None, "inline", None, ["W044"]),
        (REMOTE, None, "none", 301, ["W044"]),
        (REMOTE, None, "inline", 10, []),
        (REMOTE, None, "celery", None, []),
        (REMOTE, 800, "inline", None, []),
        ({"default": {"BACKEND": DUMMY}}, None, "inline", None, []),
    ],
)
def test_a_remote_provider_and_no_worker(
    policy, settings, configured, inline_ms, wake, beaten, expected
):
    settings.CONTENTSAFETY_PROVIDERS = configured
    settings.CONTENTSAFETY_WAKE = wake
    Policy.objects.update(inline_ms=inline_ms)
    if beaten:
        Heartbeat.objects.create(name="drain")
        Heartbeat.objects.update(beat_at=DbNow() - timedelta(seconds=beaten))
    assert row_ids() == expected


def coverage(model, policy, **changes):
    # The first pass was complete an hour ago; another one is under way.
    hour = DbNow() - timedelta(hours=1)
    facts = {"completed_at": hour, "pass_started_at": DbNow(), "found": 3, **changes}
    Coverage.objects.create(model=model, policy=policy, **facts)


def test_a_manager_that_sends_no_signal_is_said_once_it_did_harm(policy, registry):
    registry.register(Post, type("M", (ByText,), {"policy": "posts"}))
    Policy.objects.filter(slug="posts").update(mode="off")
    assert row_ids() == []
    coverage("testapp.post", "posts")
    # This one's manager is ours: it was raw SQL, or a fixture.
    coverage("testapp.note", "notes")
    assert row_ids() == ["W020"]


@pytest.mark.parametrize(
    "changes",
    [
        {"found": 0},
        # What was there before us is no sin.
        {"completed_at": None},
        {"completed_at": DbNow(), "pass_started_at": DbNow() - timedelta(hours=1)},
    ],
)
def test_the_first_pass_finds_what_was_there(policy, registry, changes):
    registry.register(Post, type("M", (ByText,), {"policy": "posts"}))
    Policy.objects.filter(slug="posts").update(mode="off")
    coverage("testapp.post", "posts", **changes)
    assert row_ids() == []


def test_only_the_databases_that_were_asked_for_are_asked(
    policy, django_assert_num_queries
):
    policy.rules.all().delete()
    with django_assert_num_queries(0):
        assert ids(checks.check_rows, databases=None) == []
        assert ids(checks.check_rows, databases=[]) == []
        # Neither the site tables' database nor one of moderated objects.
        assert ids(checks.check_rows, databases=["other"]) == []


def test_a_broken_provider_is_said_once(policy, settings):
    settings.CONTENTSAFETY_PROVIDERS = {"default": {"BACKEND": "no.such.Thing"}}
    assert row_ids() == []
    assert ids(checks.check_providers) == ["E011"]


@pytest.mark.django_db(transaction=True)
def test_a_database_without_our_tables_is_passed_over(registry):
    registry.register(Note, ByText)
    table = Policy._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        try:
            assert row_ids() == []
        finally:
            cursor.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


def test_each_check_has_its_tag():
    tags = {
        checks.check_settings: Tags.compatibility,
        checks.check_providers: Tags.compatibility,
        checks.check_registrations: Tags.models,
        checks.check_rows: Tags.database,
    }
    assert all(tag in check.tags for check, tag in tags.items())
