"""What a remote provider may be configured with."""

from __future__ import annotations

from typing import Any

import pytest

from django_contentsafety.exceptions import InvalidProvider, ProtocolError
from django_contentsafety.http import Client, HeaderKey, Timeouts
from django_contentsafety.http.credentials import checked_endpoint
from django_contentsafety.providers import providers
from django_contentsafety.testing.remote import RemoteProvider

from .conftest import KEY, remote


@pytest.mark.parametrize(
    ("endpoint", "kept"),
    [
        ("https://host.example", "https://host.example"),
        ("https://host.example/", "https://host.example"),
        ("https://HOST.example:8443/a/b/", "https://host.example:8443/a/b"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://[2001:db8::1]:444", "https://[2001:db8::1]:444"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://127.8.9.1:1", "http://127.8.9.1:1"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x"),
    ],
)
def test_an_endpoint_that_is_taken(endpoint: str, kept: str) -> None:
    assert checked_endpoint("a", endpoint) == kept


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        None,
        7,
        "host.example",
        "//host.example",
        "ftp://host.example",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "http://host.example",
        "http://10.0.0.1",
        # Other spellings of this machine, and what looks like it.
        "http://127.1",
        "http://2130706433",
        "http://0x7f.1",
        "http://0.0.0.0",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://localhost.",
        "https://user@host.example",
        "https://user:password@host.example",
        "https://host.example?",
        "https://host.example/?a=b",
        "https://host.example/#",
        "https://host.example/ path",
        "https://host.example\n",
        "https://host\t.example",
        "https://host.example\\@other.example",
        "https://höst.example",
        "https://host.example/ä",
        "https://host.example:port",
        "https://host.example:99999",
        "https://host.example/a//b",
        "https://host.example/a/../b",
        "https://host.example/%2e%2e",
        "https://-host.example",
        "https://[::1",
        "https://[zone%25eth0]",
    ],
)
def test_an_endpoint_that_is_refused(endpoint: object) -> None:
    with pytest.raises(InvalidProvider, match="endpoint"):
        checked_endpoint("a", endpoint)


@pytest.mark.parametrize(
    "key", ["", None, 7, b"key", " key", "key\n", "a b", "a\x00b", "schlüssel", "\x7f"]
)
def test_a_key_that_is_refused(key: object) -> None:
    with pytest.raises(InvalidProvider, match="key"):
        HeaderKey("a", "X-Key", key)


def test_a_fingerprint_tells_keys_apart() -> None:
    one, same, other = (HeaderKey("a", "X", key) for key in ("k1", "k1", "k2"))
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert len(one.fingerprint) == 16


def test_timeouts_come_as_numbers_or_text() -> None:
    given: dict[str, Any] = {"connect": "1.5", "read": 2, "total": None}
    assert Timeouts.checked("a", **given) == Timeouts(connect=1.5, read=2.0)
    assert Timeouts() == Timeouts(connect=3.05, read=10.0, total=15.0)


@pytest.mark.parametrize("value", [0, -1, "soon", "nan", "inf", "1e9", [], True + 3600])
def test_a_timeout_that_is_refused(value: object) -> None:
    with pytest.raises(InvalidProvider, match="timeout"):
        Timeouts.checked("a", read=value)


def test_the_handler_makes_it_from_settings(settings: Any) -> None:
    settings.CONTENTSAFETY_PROVIDERS = {
        "default": {
            "BACKEND": "django_contentsafety.testing.remote.RemoteProvider",
            "OPTIONS": {"endpoint": "https://host.example", "key": KEY, "rate": 5},
        }
    }
    provider: Any = providers["default"]
    assert isinstance(provider, RemoteProvider)
    assert provider.limits["text"].rate == 5
    assert provider.cost(["a", "b"], []) == {"text": 2}
    assert not provider.in_process
    settings.CONTENTSAFETY_PROVIDERS = {
        "default": {
            "BACKEND": "django_contentsafety.testing.remote.RemoteProvider",
            "OPTIONS": {"endpoint": "http://host.example", "key": KEY},
        }
    }
    with pytest.raises(InvalidProvider, match="https"):
        _ = providers["default"]


@pytest.mark.parametrize("limit", [{"rate": 0}, {"rate": -1}, {"rate": 1, "burst": 0}])
def test_a_rate_that_is_refused(limit: dict[str, Any]) -> None:
    with pytest.raises(InvalidProvider, match="positive"):
        remote("https://host.example", **limit)
    assert remote("https://host.example").limits == {}


def client(endpoint: str = "https://host.example/base") -> Client:
    return Client("a", endpoint, key=HeaderKey("a", "X", KEY), provider="P")


def test_a_location_of_its_own_is_a_path() -> None:
    here = "https://host.example/base/operations/7?api-version=1"
    assert client().path_of(here) == "/operations/7?api-version=1"


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/operations/7",
        "https://host.example/base",
        "https://host.example/other/7",
        "https://host.example/basement/7",
        "https://host.example/base@evil.example/7",
        "https://host.example.evil.example/base/7",
        "http://host.example/base/7",
        "https://evil.example/base/7",
        "https://host.example/base/7\r\nX: y",
    ],
)
def test_a_location_elsewhere_is_refused(location: str) -> None:
    with pytest.raises(ProtocolError, match="not its own"):
        client().path_of(location)
