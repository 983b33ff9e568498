"""Who asks Azure, and in which cloud: a key or an Entra token, never both."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.module_loading import import_string

from ...exceptions import (
    AuthenticationFailed,
    InvalidProvider,
    NetworkError,
    ProviderError,
    RateLimited,
    ServerError,
    describe,
    sealed,
)
from ...http import BearerToken, HeaderKey

#: The header of a key (azure-api.md §1).
KEY_HEADER = "Ocp-Apim-Subscription-Key"
#: Seconds for each connection and read of azure-identity's own calls.
TOKEN_SECONDS = 10
#: Seconds to wait where Entra throttles and doesn't say for how long.
TOKEN_WAIT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One of Azure's separate clouds."""

    name: str
    #: Host names of resources end so.
    suffix: str
    #: Where tokens come from.
    authority: str
    #: Of storage accounts.
    blob_suffix: str

    @property
    def scope(self) -> str:
        """What a token is asked for."""
        return f"https://{self.suffix}/.default"


#: Scopes: azure-api.md §1 (public by S6, usgov by a third party's code, china by the
#: pattern of the two); authorities: azure-identity's AzureAuthorityHosts.
CLOUDS: Mapping[str, Cloud] = {
    cloud.name: cloud
    for cloud in (
        Cloud(
            name="public",
            suffix="cognitiveservices.azure.com",
            authority="login.microsoftonline.com",
            blob_suffix="blob.core.windows.net",
        ),
        Cloud(
            name="usgov",
            suffix="cognitiveservices.azure.us",
            authority="login.microsoftonline.us",
            blob_suffix="blob.core.usgovcloudapi.net",
        ),
        Cloud(
            name="china",
            suffix="cognitiveservices.azure.cn",
            authority="login.chinacloudapi.cn",
            blob_suffix="blob.core.chinacloudapi.cn",
        ),
    )
}

#: Names for settings, and azure-identity's classes behind them.
CREDENTIALS: Mapping[str, str] = {
    "default": "DefaultAzureCredential",
    "managed_identity": "ManagedIdentityCredential",
    "workload_identity": "WorkloadIdentityCredential",
    "environment": "EnvironmentCredential",
    "azure_cli": "AzureCliCredential",
}
#: The only ones that take no authority: their host knows in which cloud it is.
_PLACED = ("azure_cli", "managed_identity")


def cloud_of(alias: str, name: object) -> Cloud:
    """The cloud of this name. Raise InvalidProvider for any other."""
    if not isinstance(name, str) or name not in CLOUDS:
        raise InvalidProvider(
            f"Provider {alias!r}: cloud must be one of {', '.join(CLOUDS)}."
        )
    return CLOUDS[name]


@sealed
def checked_credential(alias: str, credential: object) -> object:
    """``credential``: a name of ``CREDENTIALS``, a dotted path, or an object with
    ``get_token``. Raise InvalidProvider for anything else, without repeating it."""
    if isinstance(credential, str):
        if credential in CREDENTIALS or "." in credential:
            return credential
    elif callable(getattr(credential, "get_token", None)):
        return credential
    raise InvalidProvider(
        f"Provider {alias!r}: credential must be one of {', '.join(CREDENTIALS)}, the "
        "dotted path of a callable that makes one, or an object with get_token."
    )


def make_credential(alias: str, credential: object, cloud: Cloud) -> Any:
    """The object that gives tokens. Imports azure-identity; opens no connection.

    Raise InvalidProvider where it can't be made.
    """
    if not isinstance(credential, str):
        return credential
    options: dict[str, Any] = {}
    path = credential
    if credential in CREDENTIALS:
        path = f"azure.identity.{CREDENTIALS[credential]}"
        # Retries live in the row, and nothing of ours sleeps.
        options = {
            "retry_total": 0,
            "connection_timeout": TOKEN_SECONDS,
            "read_timeout": TOKEN_SECONDS,
        }
        if credential == "azure_cli":
            options = {"process_timeout": TOKEN_SECONDS}
        if credential not in _PLACED:
            options["authority"] = cloud.authority
    try:
        return import_string(path)(**options)
    except ImportError:
        problem = f"{path} can't be imported"
        if credential in CREDENTIALS:
            problem = (
                "Entra tokens need azure-identity: pip install "
                '"django-contentsafety[azure]"'
            )
    except Exception as error:
        problem = f"its credential can't be made ({describe(error)})"
    raise InvalidProvider(f"Provider {alias!r}: {problem}.")


class Entra:
    """Fetches tokens, and says in the family's words why there is none."""

    def __init__(
        self,
        alias: str,
        credential: object,
        cloud: Cloud,
        *,
        scope: str = "",
        role: str = "Cognitive Services User",
    ) -> None:
        """For tokens of ``scope``, else of Content Safety's; they need ``role``."""
        self._alias, self._cloud = alias, cloud
        self._credential = checked_credential(alias, credential)
        self._scope, self._role = scope or cloud.scope, role
        self._made: Any = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._alias!r}>"

    @property
    def identity(self) -> str:
        """Whose tokens they are, as far as it can be told without one."""
        made = self._credential
        name = made if isinstance(made, str) else type(made).__qualname__
        return f"entra {name} {self._cloud.name}"

    @sealed
    def fetch(self) -> tuple[str, float]:
        """A token, and the time of its end in seconds since the epoch."""
        error: ProviderError
        try:
            if self._made is None:
                self._made = make_credential(self._alias, self._credential, self._cloud)
            found = self._made.get_token(self._scope)
            return str(found.token), float(found.expires_on)
        except InvalidProvider as problem:
            # Not at start-up any more: a flow takes only errors of the family.
            error = AuthenticationFailed(str(problem), alias=self._alias)
        except Exception as problem:
            error = self._explain(problem)
        # Not inside the except: what was caught may have a token in its frames.
        raise error

    def _explain(self, error: Exception) -> ProviderError:
        """By class and status alone: messages name tenants, accounts and paths."""
        alias, who = self._alias, f"The credential of provider {self._alias!r}"
        if _is_network(error):
            return NetworkError(f"{who} can't reach Entra.", alias=alias)
        status = getattr(error, "status_code", None)
        if status == 429:
            return RateLimited(
                f"{who} is throttled by Entra.",
                retry_after=TOKEN_WAIT,
                alias=alias,
                status=status,
            )
        if isinstance(status, int) and status >= 500:
            words = f"{who} got HTTP {status} of Entra."
            return ServerError(words, alias=alias, status=status)
        return AuthenticationFailed(
            f"{who} gave no token ({describe(error)}): look at the identity that this "
            f"host runs under, and its role “{self._role}”.",
            alias=alias,
        )


def _is_network(error: Exception) -> bool:
    if isinstance(error, OSError):
        return True
    # Whoever raised one of its errors has imported it.
    core = sys.modules.get("azure.core.exceptions")
    return core is not None and isinstance(
        error, (core.ServiceRequestError, core.ServiceResponseError)
    )


@sealed
def authentication(
    alias: str,
    *,
    key: object = None,
    second_key: object = None,
    credential: object = None,
    cloud: Cloud,
) -> tuple[HeaderKey, HeaderKey | None]:
    """What travels with each request, and the key to try where it is refused.

    Raise InvalidProvider for a key beside a credential, or neither.
    """
    if credential is not None:
        if key is not None or second_key is not None:
            raise InvalidProvider(
                f"Provider {alias!r} has both a key and a credential: keep one."
            )
        entra = Entra(alias, credential, cloud)
        return BearerToken(alias, entra.fetch, identity=entra.identity), None
    if key is None:
        raise InvalidProvider(
            f"Provider {alias!r} has neither a key nor a credential: give one of them."
        )
    first = HeaderKey(alias, KEY_HEADER, key)
    if second_key is None:
        return first, None
    return first, HeaderKey(alias, KEY_HEADER, second_key)
