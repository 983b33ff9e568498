"""``providers["alias"]``: configured in ``CONTENTSAFETY_PROVIDERS`` like caches."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from asgiref.local import Local
from django.core.exceptions import ValidationError
from django.core.signals import setting_changed
from django.utils.connection import BaseConnectionHandler
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from ..conf import settings
from ..exceptions import InvalidProvider
from ..verdicts import HarmCategory
from .base import (
    BuildRequest,
    BuildState,
    CustomCategory,
    Limit,
    Provider,
    RemoteVersion,
    RemovalRequest,
    RemovalState,
)

__all__ = [
    "BuildRequest",
    "BuildState",
    "CustomCategory",
    "Limit",
    "Provider",
    "RemoteVersion",
    "RemovalRequest",
    "RemovalState",
    "explain_unanswerable",
    "providers",
    "validate_alias",
]


if TYPE_CHECKING:
    # Generic to the type checker alone.
    Handler = BaseConnectionHandler[Provider]
else:
    Handler = BaseConnectionHandler


class ProviderHandler(Handler):
    """One instance of each provider a thread, made on first use."""

    exception_class = InvalidProvider

    def configure_settings(self, settings_: Any) -> dict[str, dict[str, Any]]:
        configured = settings.PROVIDERS
        if not isinstance(configured, dict):
            raise InvalidProvider("CONTENTSAFETY_PROVIDERS must be a dict by alias.")
        return configured

    def create_connection(self, alias: str) -> Provider:
        entry = self.settings[alias]
        path = entry.get("BACKEND") if isinstance(entry, dict) else None
        if not isinstance(path, str):
            raise InvalidProvider(
                f"Provider {alias!r} has no BACKEND: name a class by its dotted path."
            )
        try:
            backend = import_string(path)
        except ImportError as error:
            raise InvalidProvider(
                f"Provider {alias!r}: {path} can't be imported ({error})."
            ) from error
        if not (isinstance(backend, type) and issubclass(backend, Provider)):
            raise InvalidProvider(f"Provider {alias!r}: {path} is no provider.")
        options = entry.get("OPTIONS") or {}
        if not isinstance(options, dict):
            raise InvalidProvider(f"Provider {alias!r}: OPTIONS must be a dict.")
        try:
            # Names alone are in this error's message: a value may be a key.
            inspect.signature(backend).bind(alias, **options)
        except TypeError as error:
            raise InvalidProvider(f"Provider {alias!r}: {error}.") from None
        return backend(alias, **options)

    def __getitem__(self, alias: str) -> Any:
        if alias not in self:
            raise InvalidProvider(
                f"There is no provider {alias!r} in CONTENTSAFETY_PROVIDERS."
            )
        return super().__getitem__(alias)

    def reset(self) -> None:
        """Forget the settings and every instance made from them."""
        self.__dict__.pop("settings", None)
        self._settings = None
        self._connections = Local()

    def __contains__(self, alias: object) -> bool:
        return alias in self.settings


providers = ProviderHandler()


def validate_alias(alias: str) -> None:
    """Refuse an alias that the settings don't have."""
    if alias not in providers:
        raise ValidationError(
            _(
                "There is no provider “%(alias)s”: CONTENTSAFETY_PROVIDERS has "
                "%(known)s."
            ),
            code="unknown_provider",
            params={"alias": alias, "known": ", ".join(sorted(providers)) or "none"},
        )


def explain_unanswerable(
    alias: str, category: str, scale: str, *, custom: bool
) -> str | None:
    """Why a rule can't be answered by its provider, in words; None where it can."""
    if alias not in providers:
        return None  # validate_alias says it.
    provider: Provider = providers[alias]
    kind = type(provider).__name__
    if not custom and category not in provider.harm_categories:
        return _("%(kind)s (%(alias)s) doesn't answer %(category)s.") % {
            "kind": kind,
            "alias": alias,
            "category": HarmCategory(category).label,
        }
    scales = provider.custom_scales if custom else provider.harm_scales
    if not scales:
        return _("%(kind)s (%(alias)s) has no custom categories.") % {
            "kind": kind,
            "alias": alias,
        }
    if scale not in scales:
        return _(
            "%(kind)s (%(alias)s) gives no %(scale)s for %(category)s: use %(scales)s."
        ) % {
            "kind": kind,
            "alias": alias,
            "scale": scale,
            "category": category,
            "scales": ", ".join(sorted(scales)),
        }
    return None


def _reset(*, setting: str, **kwargs: Any) -> None:
    """Make ``override_settings`` take effect."""
    if setting == "CONTENTSAFETY_PROVIDERS":
        providers.reset()


setting_changed.connect(_reset, dispatch_uid="contentsafety.providers")
