"""Settings are read on access; a provider's URL never gives its key away."""

from __future__ import annotations

import inspect
import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.views.debug import SafeExceptionReporterFilter

from django_contentsafety.conf import (
    AZURE,
    DUMMY,
    LOCAL,
    Settings,
    hash_keys,
    known_settings,
    provider_from_url,
    settings,
)

HOST = "name.cognitiveservices.azure.com"
ENDPOINT = f"https://{HOST}"
KEY = "s3cr3t-key"


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("url", "backend", "options"),
    [
        ("local://", LOCAL, None),
        ("local://?seed=7", LOCAL, {"seed": "7"}),
        ("LOCAL://", LOCAL, None),
        ("dummy://", DUMMY, None),
        (f"azure://{HOST}", AZURE, {"endpoint": ENDPOINT}),
        (f"azure://{HOST}/", AZURE, {"endpoint": ENDPOINT}),
        (f"azure://{HOST}:8443", AZURE, {"endpoint": f"https://{HOST}:8443"}),
        ("azure://[::1]:8443", AZURE, {"endpoint": "https://[::1]:8443"}),
        (f"azure://{HOST}/a%20b/", AZURE, {"endpoint": f"https://{HOST}/a b"}),
        (
            f"azure://{HOST}?region=west%20europe&tag=",
            AZURE,
            {"endpoint": ENDPOINT, "region": "west europe", "tag": ""},
        ),
        (f"azure://:{KEY}@{HOST}", AZURE, {"endpoint": ENDPOINT, "key": KEY}),
        (f"azure://{KEY}@{HOST}", AZURE, {"endpoint": ENDPOINT, "key": KEY}),
        (f"azure://{HOST}?key={KEY}", AZURE, {"endpoint": ENDPOINT, "key": KEY}),
        (
            f"azure://:a%2Fb%3F%23%40%25%3A@{HOST}",
            AZURE,
            {"endpoint": ENDPOINT, "key": "a/b?#@%:"},
        ),
    ],
)
def test_a_url_becomes_an_entry_like_those_of_caches(url, backend, options):
    expected = {"BACKEND": backend}
    if options:
        expected["OPTIONS"] = options
    assert provider_from_url(url) == expected


def test_a_key_may_stand_in_its_own_variable_or_file(key_file):
    for given in ({"key": KEY}, {"key": f" {KEY}\n"}, {"key_file": key_file}):
        entry = provider_from_url(f"azure://{HOST}", **given)
        assert entry["OPTIONS"]["key"] == KEY


def test_an_empty_variable_is_no_key():
    entry = provider_from_url(f"azure://:{KEY}@{HOST}", key="")
    assert entry["OPTIONS"]["key"] == KEY
    assert "key" not in provider_from_url(f"azure://{HOST}", key="")["OPTIONS"]


def test_the_example_configuration_needs_no_key():
    assert provider_from_url("local://", key=None, key_file=None) == {"BACKEND": LOCAL}


#: Wrong ways to name a provider: the URL, what else is given (a key file by the name
#: of its contents), and a word of the message.
WRONG = {
    "key in URL and variable": (f"azure://:{KEY}@{HOST}", {"key": "other"}, "twice"),
    "key in URL and file": (f"azure://:{KEY}@{HOST}", {"key_file": "FILE"}, "twice"),
    "key in query and variable": (f"azure://{HOST}?key={KEY}", {"key": KEY}, "twice"),
    "key in URL and query": (f"azure://:{KEY}@{HOST}?key={KEY}", {}, "twice"),
    "key in query, twice": (f"azure://{HOST}?key={KEY}&key=x", {}, "twice"),
    "option twice": ("local://?seed=1&seed=2", {}, "twice"),
    "key in variable and file": (
        f"azure://{HOST}",
        {"key": KEY, "key_file": "FILE"},
        "twice",
    ),
    "no such file": (f"azure://{HOST}", {"key_file": "missing"}, "missing"),
    "empty file": (f"azure://{HOST}", {"key_file": "EMPTY"}, "empty"),
    "file not UTF-8": (f"azure://{HOST}", {"key_file": "LATIN"}, "UTF-8"),
    "unknown scheme": (f"azur://:{KEY}@{HOST}", {}, "azure://"),
    "no scheme": (HOST, {"key": KEY}, "empty scheme"),
    "no scheme before a key": (f":{KEY}@{HOST}", {}, "percent"),
    "empty": ("", {}, "empty scheme"),
    "a path to nowhere": (f"/{HOST}", {}, "empty scheme"),
    "port is no number": (f"azure://:{KEY}@{HOST}:https", {}, "port"),
    "port too high": (f"azure://:{KEY}@{HOST}:65536", {}, "port"),
    "half a bracket": (f"azure://:{KEY}@[::1", {}, "host"),
    "no host": ("azure://", {"key": KEY}, "host"),
    "no host but a key": (f"azure://:{KEY}@", {}, "host"),
    "slash in the key": (f"azure://:{KEY}/x@{HOST}", {}, "port"),
    "slash in a key alone": (f"azure://{KEY}/x@{HOST}", {}, "percent"),
    "hash in the key": (f"azure://{HOST}?key={KEY}#x", {}, "percent"),
    "endpoint in the query": (f"azure://{HOST}?endpoint=http://x", {}, "endpoint"),
    "local with a key": ("local://", {"key": KEY}, "neither"),
    "local with a key in the URL": (f"local://:{KEY}@", {}, "neither"),
    "local with a host": (f"local://{HOST}", {}, "neither"),
    "local with a path": ("local:///srv", {}, "neither"),
    "dummy with a key in the query": (f"dummy://?key={KEY}", {}, "neither"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_url_is_refused_and_no_key_is_repeated(case, tmp_path):
    url, given, word = WRONG[case]
    if name := given.get("key_file"):
        contents = {"FILE": KEY, "EMPTY": "\n", "LATIN": f"{KEY}\xe9"}
        path = tmp_path / name
        if name in contents:
            path.write_text(contents[name], encoding="latin-1")
        given = {**given, "key_file": path}
    with pytest.raises(ImproperlyConfigured) as caught:
        provider_from_url(url, **given)
    error = caught.value
    assert word in str(error)
    assert str(error).endswith(".")
    assert KEY not in repr(error) + "".join(traceback.format_exception(error))
    # Nor does it hang on what a log handler may print besides.
    assert KEY not in repr(error.__context__)


def test_djangos_error_page_hides_the_key():
    entry = {"default": provider_from_url(f"azure://:{KEY}@{HOST}")}
    shown = SafeExceptionReporterFilter().cleanse_setting(
        "CONTENTSAFETY_PROVIDERS", entry
    )
    assert KEY not in repr(shown)
    assert HOST in repr(shown)


#: Each setting, and a value that is not its default.
OTHER_VALUES = {
    "PROVIDERS": {},
    "ENABLED": False,
    "WAKE": "celery",
    "DATABASES": ["other"],
    "STORE_TEXT": "never",
    "HASH_KEY": "k",
    "HASH_KEY_FALLBACKS": ["old"],
    "LEASE_SECONDS": 1,
    "DRAIN_SECONDS": 1.5,
    "BATCH_SIZE": 1,
    "OUTAGE_AFTER": 1,
    "MAX_AGE": 1,
    "KEEP_ALLOWED_DAYS": 1,
    "KEEP_DECIDED_DAYS": None,
    "ACTIVATION_BAR": {"f1": 0.5},
    "WITHHELD_SHARE": 0.1,
    "HEALTH_TOKEN": "t",
}


def test_every_setting_is_known_with_its_prefix_and_has_a_case():
    assert known_settings() == [f"CONTENTSAFETY_{name}" for name in OTHER_VALUES]


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_a_setting_is_read_on_access_and_reverts(name):
    before = getattr(settings, name)
    with override_settings(**{f"CONTENTSAFETY_{name}": OTHER_VALUES[name]}):
        assert getattr(settings, name) == OTHER_VALUES[name] != before
    assert getattr(settings, name) == before


def test_the_defaults(settings):
    for name in known_settings():
        if hasattr(settings, name):
            delattr(settings, name)
    defaults = {name: getattr(Settings(), name) for name in OTHER_VALUES}
    assert defaults == {
        "PROVIDERS": {"default": {"BACKEND": LOCAL}},
        "ENABLED": True,
        "WAKE": None,
        "DATABASES": None,
        "STORE_TEXT": "review_only",
        "HASH_KEY": None,
        "HASH_KEY_FALLBACKS": None,
        "LEASE_SECONDS": 120,
        "DRAIN_SECONDS": 20.0,
        "BATCH_SIZE": 50,
        "OUTAGE_AFTER": 300,
        "MAX_AGE": 259_200,
        "KEEP_ALLOWED_DAYS": 30,
        "KEEP_DECIDED_DAYS": 180,
        "ACTIVATION_BAR": {},
        "WITHHELD_SHARE": 0.2,
        "HEALTH_TOKEN": None,
    }


def test_every_setting_is_documented_where_it_is_declared():
    source = inspect.getsource(Settings).splitlines()
    for name in OTHER_VALUES:
        (line,) = [
            number
            for number, text in enumerate(source)
            if text.strip().startswith(f"{name}:")
        ]
        assert source[line - 1].strip().startswith("#:"), name


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"SECRET_KEY": "s", "SECRET_KEY_FALLBACKS": []}, [b"s"]),
        ({"SECRET_KEY": "s", "SECRET_KEY_FALLBACKS": ["t", "u"]}, [b"s", b"t", b"u"]),
        ({"SECRET_KEY": b"\xff", "SECRET_KEY_FALLBACKS": [b"t"]}, [b"\xff", b"t"]),
        # A key of its own doesn't inherit the fallbacks of another.
        (
            {
                "SECRET_KEY": "s",
                "SECRET_KEY_FALLBACKS": ["t"],
                "CONTENTSAFETY_HASH_KEY": "k",
            },
            [b"k"],
        ),
        # On the way from SECRET_KEY to a key of its own.
        (
            {
                "SECRET_KEY": "s",
                "CONTENTSAFETY_HASH_KEY": "k",
                "CONTENTSAFETY_HASH_KEY_FALLBACKS": ["s", "j"],
            },
            [b"k", b"s", b"j"],
        ),
        (
            {
                "SECRET_KEY": "s",
                "SECRET_KEY_FALLBACKS": ["t"],
                "CONTENTSAFETY_HASH_KEY_FALLBACKS": [],
            },
            [b"s"],
        ),
    ],
)
def test_hash_keys_newest_first(given, keys):
    with override_settings(**given):
        assert hash_keys() == keys
