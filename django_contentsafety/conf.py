"""The package's settings: typed, read on every access, nowhere else.

Each is looked up as ``CONTENTSAFETY_<NAME>`` in Django's settings, so
``override_settings`` works. The package reads no environment variable: the host's
settings do, with ``provider_from_url`` to help.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.encoding import force_bytes

LOCAL = "django_contentsafety.providers.local.LocalProvider"
DUMMY = "django_contentsafety.providers.dummy.DummyProvider"
AZURE = "django_contentsafety.providers.azure_content_safety.AzureContentSafety"
AZURE_MODERATOR = (
    "django_contentsafety.providers.azure_content_moderator.AzureContentModerator"
)


class Settings:
    """Defaults; each attribute's comment is its documentation."""

    #: Providers by alias, shaped like CACHES.
    PROVIDERS: dict[str, dict[str, Any]] = {"default": {"BACKEND": LOCAL}}
    #: False: saves are not looked at (a data migration, a test of the host).
    ENABLED: bool = True
    #: Who drains after a save; None = Celery where a broker is configured, else inline.
    WAKE: Literal["celery", "inline", "none"] | None = None
    #: The aliases whose objects are moderated; None = where registered models live.
    DATABASES: list[str] | None = None
    #: What of a text a result keeps.
    STORE_TEXT: Literal["never", "review_only", "always"] = "review_only"
    #: Key of the content hashes; None = SECRET_KEY. Old ones go to the fallbacks.
    HASH_KEY: str | None = None
    #: Former hash keys, still recognized; None = SECRET_KEY_FALLBACKS.
    HASH_KEY_FALLBACKS: list[str] | None = None
    #: Seconds a claimed row belongs to its worker (reliability.md §7.3).
    LEASE_SECONDS: int = 120
    #: Seconds of one drain task (reliability.md §7.3).
    DRAIN_SECONDS: float = 20.0
    #: Rows claimed at once (reliability.md §7.3).
    BATCH_SIZE: int = 50
    #: Seconds a text may be pending before it counts as an outage (§6).
    OUTAGE_AFTER: int = 300
    #: Seconds a text may be pending before a person has to decide (§6): 72 h.
    MAX_AGE: int = 72 * 3600
    #: Days the results of a text that a machine allowed are kept; None = for ever
    #: (reliability.md §4.3).
    KEEP_ALLOWED_DAYS: int | None = 30
    #: Days the results of a closed case keep the text; None = for ever (§4.3).
    KEEP_DECIDED_DAYS: int | None = 180
    #: What a card must reach before its version is activated; {} = nothing.
    ACTIVATION_BAR: dict[str, float] = {}
    #: The share of a version's samples that a remote provider never sees, so that its
    #: card can be measured on them; 0 = none.
    WITHHELD_SHARE: float = 0.2
    #: Opens health and metrics to "Authorization: Bearer …"; None = to staff alone.
    HEALTH_TOKEN: str | None = None

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattribute__(name)
        default = super().__getattribute__(name)
        return getattr(django_settings, f"CONTENTSAFETY_{name}", default)


settings = Settings()


def known_settings() -> list[str]:
    """The names, with prefix, of all settings the package reads."""
    return [f"CONTENTSAFETY_{name}" for name in Settings.__annotations__]


def hash_keys() -> list[bytes]:
    """The content hash's keys, newest first."""
    newest = settings.HASH_KEY or django_settings.SECRET_KEY
    older: Sequence[str | bytes] | None = settings.HASH_KEY_FALLBACKS
    if older is None:
        older = [] if settings.HASH_KEY else django_settings.SECRET_KEY_FALLBACKS
    return [force_bytes(key) for key in [newest, *older]]


def provider_from_url(
    url: str, *, key: str | None = None, key_file: str | Path | None = None
) -> dict[str, Any]:
    """Turn a URL into one entry of ``CONTENTSAFETY_PROVIDERS``.

    ``local://`` is the embedded engine, ``dummy://`` answers as told,
    ``azure://NAME.cognitiveservices.azure.com`` is Azure AI Content Safety,
    ``azure-moderator://`` in its place Content Moderator. The query gives further
    options. Everything is percent-decoded. A key may stand in the URL
    (``azure://:KEY@…``), better in ``key`` (its own variable) or ``key_file`` (a
    mounted secret, read here); space around it is dropped. Raise
    ImproperlyConfigured, without repeating the key, for what can't be read.
    """
    parts = _split(url)
    if parts is None:
        raise ImproperlyConfigured(
            "The provider URL can't be read: check its host and port."
        )
    if parts.fragment or "@" in parts.path:
        # Half a key would be taken for something else, and sent somewhere.
        raise ImproperlyConfigured(
            "A key in a provider URL must be percent-encoded: / is %2F, # is %23."
        )
    options = _options(parts.query)
    secrets = [
        unquote(parts.password or parts.username or ""),
        str(options.pop("key", "")),
        key or "",
    ]
    if key_file is not None:
        secrets.append(_read_key(key_file))
    secrets = [secret.strip() for secret in secrets if secret.strip()]
    if len(secrets) > 1:
        raise ImproperlyConfigured(
            "The provider's key is given twice: keep one of URL, key and key_file."
        )
    if parts.scheme in ("local", "dummy"):
        if secrets or parts.hostname or parts.path.strip("/"):
            raise ImproperlyConfigured(
                f"{parts.scheme}:// takes neither host, path nor key."
            )
        backend = LOCAL if parts.scheme == "local" else DUMMY
    elif parts.scheme in ("azure", "azure-moderator"):
        if not parts.hostname or "endpoint" in options:
            raise ImproperlyConfigured(
                f"{parts.scheme}:// needs the resource's host as its endpoint, as in "
                f"{parts.scheme}://NAME.cognitiveservices.azure.com."
            )
        backend = AZURE if parts.scheme == "azure" else AZURE_MODERATOR
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        host += f":{parts.port}" if parts.port else ""
        options["endpoint"] = f"https://{host}{unquote(parts.path).rstrip('/')}"
        if secrets:
            options["key"] = secrets[0]
    else:
        raise ImproperlyConfigured(
            f"No provider answers to {parts.scheme or 'an empty scheme'}://; "
            "use local://, azure://, azure-moderator:// or dummy://."
        )
    entry: dict[str, Any] = {"BACKEND": backend}
    if options:
        entry["OPTIONS"] = options
    return entry


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # Not raised on: its message quotes what stands where the port should be,
        # which may be a piece of the key.
        return None
    return parts


def _options(query: str) -> dict[str, Any]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options: dict[str, Any] = dict(pairs)
    if len(options) != len(pairs):
        raise ImproperlyConfigured("The provider URL gives an option twice.")
    return options


def _read_key(path: str | Path) -> str:
    try:
        key: str | None = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"The key file {path} can't be read: {error.strerror}."
        ) from None
    except UnicodeDecodeError:
        key = None  # Not raised on: it carries the bytes of the key.
    if key is None:
        raise ImproperlyConfigured(f"The key file {path} is not UTF-8.")
    if not key:
        raise ImproperlyConfigured(f"The key file {path} is empty.")
    return key
