"""Where samples are written to, and with what: read from options, and checked.

No message repeats what it refuses: a connection string and a SAS are keys.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import NamedTuple
from urllib.parse import urlsplit

from ...exceptions import InvalidProvider
from ...http import checked_endpoint

#: The longest ``sampleBlobUrl`` (Azure's documentation, custom categories: limits).
MAX_URL_LENGTH = 500

_CONTAINER = re.compile(r"[a-z0-9](-?[a-z0-9]){2,62}")


class Account(NamedTuple):
    """A container's URL and what opens it."""

    url: str
    name: str = ""
    key: str = ""
    sas: str = ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def shares(self, value: str) -> bool:
        """Whether ``value`` holds what opens it, or a piece of that."""
        secrets = [secret for secret in (self.key, self.sas) if secret]
        return any(secret in value or value in secret for secret in secrets)


def read_account(
    alias: str,
    container: object,
    *,
    connection_string: object = None,
    sas: object = None,
    longest: int,
) -> Account:
    """The container at ``container``, a URL, or a name if a connection string says the
    rest. ``longest`` is the longest name of a blob in it. Raise InvalidProvider.
    """
    if not isinstance(container, str) or not container:
        raise InvalidProvider(
            f"Provider {alias!r} has no container: building needs one for the samples."
        )
    account = Account(url=container)
    if sas is not None:
        account = Account(url=container, sas=_checked_sas(alias, sas))
    if connection_string is not None:
        account = _connect(alias, connection_string, container)
    return account._replace(url=_checked_url(alias, account.url, longest))


def _connect(alias: str, connection_string: object, container: str) -> Account:
    """What a connection string says. Raise InvalidProvider, repeating none of it."""
    said = {
        name.strip().lower(): value.strip()
        for part in str(connection_string).split(";")
        if part.strip()
        for name, _, value in (part.partition("="),)
    }
    name, key = said.get("accountname", ""), said.get("accountkey", "")
    sas = said.get("sharedaccesssignature", "")
    endpoint = said.get("blobendpoint", "")
    if not endpoint and name:
        protocol = said.get("defaultendpointsprotocol", "https")
        suffix = said.get("endpointsuffix", "core.windows.net")
        endpoint = f"{protocol}://{name}.blob.{suffix}"
    if not endpoint or not (sas or (name and _is_base64(key))):
        raise InvalidProvider(
            f"Provider {alias!r}: its connection string needs AccountName and "
            "AccountKey, or BlobEndpoint and SharedAccessSignature; was it cut off?"
        )
    if not _CONTAINER.fullmatch(container):
        raise InvalidProvider(
            f"Provider {alias!r}: with a connection string its container is a name: 3 "
            "to 63 lower-case letters, digits and single hyphens."
        )
    url = f"{endpoint.rstrip('/')}/{container}"
    if sas:
        return Account(url, sas=_checked_sas(alias, sas))
    return Account(url, name=name, key=key)


def _checked_sas(alias: str, sas: object) -> str:
    found = str(sas).removeprefix("?")
    if not re.fullmatch("[!-~]+", found) or "sig=" not in found or "://" in found:
        raise InvalidProvider(
            f"Provider {alias!r}: its SAS is the part of a SAS URL behind the question "
            "mark; it has a sig= and no white space."
        )
    return found


def _checked_url(alias: str, url: str, longest: int) -> str:
    """Raise InvalidProvider for a container the service could not read from."""
    said = f"Provider {alias!r}: its container"
    if "?" in url or "#" in url:
        # The URL is given to the service, which reads by its managed identity, and is
        # shown: a SAS in it would be given away (reference: azure-api.md §6).
        raise InvalidProvider(
            f"{said} has a query: the service reads by its managed identity. A SAS for "
            "our own upload has an option of its own."
        )
    url = checked_endpoint(alias, url, what="container")
    parts = urlsplit(url)
    steps = parts.path.strip("/").split("/")
    # Azurite, on this machine, has the account in the path.
    if len(steps) > (2 if parts.scheme == "http" else 1):
        raise InvalidProvider(
            f"{said} has a path within it: the service reads blobs in the container "
            "itself alone. Give https://ACCOUNT.blob.core.windows.net/CONTAINER."
        )
    if not _CONTAINER.fullmatch(steps[-1]):
        raise InvalidProvider(
            f"{said} needs a name of 3 to 63 lower-case letters, digits and single "
            "hyphens after the host."
        )
    if len(url) + 1 + longest > MAX_URL_LENGTH:
        raise InvalidProvider(
            f"{said} has too long a URL: with a blob's name the service takes at most "
            f"{MAX_URL_LENGTH} characters."
        )
    return url


def _is_base64(key: str) -> bool:
    try:
        return bool(b64decode(key, validate=True))
    except ValueError:
        return False
