"""Frozen samples in Azure Blob Storage, where Content Safety reads them.

A version's blob lies directly in the container, under a name that holds category,
number and hash, and is written once: what has that name has that content. Our own
access (a connection string, a SAS or Entra) is for us alone and never becomes part of
the URL that the service is given: it reads by its managed identity.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import md5, sha256
from typing import TYPE_CHECKING, Any

from ...exceptions import (
    BuildFailed,
    Conflict,
    InvalidProvider,
    Misconfigured,
    NotFound,
    sealed,
)
from ...http import Timeouts, lend
from ..base import BuildRequest, RemovalRequest
from .auth import CLOUDS, Cloud, Entra
from .container import read_account

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient

#: Of storage. One that every cloud and Azurite have had for long: the SDK's default is
#: younger than either.
API_VERSION = "2023-11-03"
#: Digits of the hash in a blob's name: 64 bits tell a version's contents apart.
HASH_DIGITS = 16
#: The longest name of a blob of ours: a category's name, a version's number, a hash.
_LONGEST_NAME = len(f"{'n' * 64}-v{2**31}-{'0' * HASH_DIGITS}.jsonl")

_OURS = re.compile(r"(?P<name>.+)-v(?P<number>[0-9]+)-[0-9a-f]{16}\.jsonl")

#: The scope of such a token, in every cloud (azure-storage-blob, _shared/constants.py).
STORAGE_SCOPE = "https://storage.azure.com/.default"
#: What an identity needs to write blobs (azure-api.md §6).
STORAGE_ROLE = "Storage Blob Data Contributor"


class SampleBlobs:
    """The container in which one provider keeps the samples of its versions.

    ``container`` is its URL, or its name where a connection string says the rest. Give
    one of ``connection_string``, ``sas`` and ``credential``, an Entra identity (see
    ``auth``). Raise InvalidProvider for what the service could not read from.
    Opens no connection.
    """

    @sealed
    def __init__(
        self,
        alias: str,
        *,
        container: object,
        connection_string: object = None,
        sas: object = None,
        credential: object = None,
        cloud: Cloud = CLOUDS["public"],
        timeouts: Timeouts | None = None,
    ) -> None:
        if [connection_string, sas, credential].count(None) != 2:
            raise InvalidProvider(
                f"Provider {alias!r}: its container is opened by one of a connection "
                "string, a SAS and a credential: give one of them."
            )
        self.alias = alias
        self._account = read_account(
            alias,
            container,
            connection_string=connection_string,
            sas=sas,
            longest=_LONGEST_NAME,
        )
        self.url = self._account.url
        self._entra = None
        if credential is not None:
            self._entra = Entra(
                alias, credential, cloud, scope=STORAGE_SCOPE, role=STORAGE_ROLE
            )
        self._timeouts = timeouts or Timeouts()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    def url_of(self, request: BuildRequest) -> str:
        """Where the version's samples are, or will be: what the service is told."""
        return self._url(request.name, request.version, _digest(request))

    def url_for(self, request: RemovalRequest) -> str:
        """The same of a version that is to be deleted; empty where it can't be told."""
        if not request.samples_sha256:
            return ""  # Taken over from the service: its samples were never ours.
        return self._url(request.name, request.version, request.samples_sha256)

    def is_anothers(self, url: str, request: RemovalRequest) -> bool:
        """Whether ``url`` is that of the samples of another version of ours."""
        found = _OURS.fullmatch(url.removeprefix(f"{self.url}/"))
        mine = (request.name, str(request.version))
        return found is not None and (found["name"], found["number"]) != mine

    @sealed
    def upload(self, request: BuildRequest) -> str:
        """Write the samples unless they are there; return their URL.

        Raise BuildFailed where the blob holds something else.
        """
        url = self.url_of(request)
        try:
            self._ask(url, _create(request.samples))
        except Conflict as error:
            refused = error
        else:
            return url
        # Written by an earlier try, whose answer was lost; or storage is busy with it.
        try:
            held = self._ask(url, _content_md5)
        except NotFound:
            raise refused from None
        if held != _md5(request.samples):
            raise BuildFailed(
                f"The blob of v{request.version} holds other samples than were frozen: "
                "delete it, or freeze another version.",
                alias=self.alias,
            )
        return url

    @sealed
    def delete(self, request: RemovalRequest) -> None:
        """Delete the version's samples. What is not there (any more) is no error."""
        if url := self.url_for(request):
            with suppress(NotFound):
                self._ask(url, _delete)

    def _url(self, name: str, version: int, digest: str) -> str:
        return f"{self.url}/{name}-v{version}-{digest[:HASH_DIGITS]}.jsonl"

    def _ask(self, url: str, act: Callable[[BlobClient], Any]) -> Any:
        """Have ``act`` send its one request; raise a ProviderError for its failure."""
        client = self._client
        return lend(
            self.alias,
            f"The blob storage of provider {self.alias!r}",
            self.url,
            lambda session: act(client(url, session)),
            refusal=_refusal,
            echo=self._account.shares,
            provider=type(self).__name__,
            timeouts=self._timeouts,
        )

    def _client(self, url: str, session: Any) -> BlobClient:
        try:
            from azure.core.credentials import AzureSasCredential
            from azure.core.pipeline.transport import RequestsTransport
            from azure.storage.blob import BlobClient
        except ImportError:
            raise Misconfigured(
                "Writing samples to blob storage needs azure-storage-blob: run "
                'pip install "django-contentsafety[azure]".',
                alias=self.alias,
            ) from None
        credential: Any = {
            "account_name": self._account.name,
            "account_key": self._account.key,
        }
        if self._entra is not None:
            credential = _Token(self._entra)
        elif self._account.sas:
            credential = AzureSasCredential(self._account.sas)
            _hide_signatures()
        return BlobClient.from_blob_url(
            url,
            credential=credential,
            transport=RequestsTransport(session=session, session_owner=False),
            # What is to be tried again is the row's business, and later. And elsewhere
            # is nobody who should see what opens our container.
            retry_total=0,
            permit_redirects=False,
            api_version=API_VERSION,
            connection_timeout=self._timeouts.connect,
            read_timeout=self._timeouts.read,
        )


class _Token:
    """What azure-storage-blob takes for a credential of azure-identity's."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra

    def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        token, until = self._entra.fetch()
        return AccessToken(token, int(until))


def _create(samples: bytes) -> Callable[[BlobClient], Any]:
    def create(blob: BlobClient) -> None:
        from azure.storage.blob import ContentSettings

        blob.upload_blob(
            samples,
            length=len(samples),
            overwrite=False,
            content_settings=ContentSettings(content_type="application/jsonl"),
        )

    return create


def _content_md5(blob: BlobClient) -> bytes | None:
    """As the service has counted it, for what was written in one piece."""
    found = blob.get_blob_properties().content_settings.content_md5
    return None if found is None else bytes(found)


def _delete(blob: BlobClient) -> None:
    blob.delete_blob(delete_snapshots="include")


def _md5(samples: bytes) -> bytes:
    return md5(samples, usedforsecurity=False).digest()


def _digest(request: BuildRequest) -> str:
    return sha256(request.samples).hexdigest()


def _refusal(error: Exception) -> tuple[int, Mapping[str, str]] | None:
    """From an HttpResponseError of azure.core's."""
    status, answer = (
        getattr(error, name, None) for name in ("status_code", "response")
    )
    if not isinstance(status, int) or answer is None:
        return None
    return status, dict(answer.headers)


class _WithoutSignatures(logging.Filter):
    """urllib3 logs the paths it asks for, at DEBUG, and a SAS is part of them."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                re.sub(r"(?<=sig=)[^&\s]+", "REDACTED", one)
                if isinstance(one, str)
                else one
                for one in record.args
            )
        return True


_without_signatures = _WithoutSignatures()


def _hide_signatures() -> None:
    # Added once, however often: a logger knows its filters.
    logging.getLogger("urllib3.connectionpool").addFilter(_without_signatures)
