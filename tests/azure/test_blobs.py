"""Samples in a real blob storage, as the scripted Azure reads them."""

from __future__ import annotations

from typing import Any

import pytest

from django_contentsafety.testing.azure.samples import any_samples

from .azurite import Azurite

pytestmark = pytest.mark.azurite


def test_the_samples_are_pinned_when_a_version_is_made(
    azurite: Azurite, serve: Any, dialect: str
) -> None:
    url = f"{azurite.container('pinned')}/scam-{dialect[5:7]}.jsonl"
    azurite.put(url, any_samples(url))
    service, plain = serve(dialect, read_blob=azurite.read)
    assert plain.register(sampleBlobUrl=url).status == 201
    azurite.put(url, b"")
    assert service.state.versions["scam"][1].samples == any_samples(url)
    # The next version is another matter.
    plain.register(sampleBlobUrl=url)
    assert service.state.versions["scam"][2].samples == b""


def test_a_blob_that_is_not_there_is_refused(
    azurite: Azurite, serve: Any, dialect: str
) -> None:
    url = f"{azurite.container('empty')}/no.jsonl"
    _, plain = serve(dialect, read_blob=azurite.read)
    got = plain.register(sampleBlobUrl=url)
    assert got.status == 400
    assert "does not exist" in got.data["error"]["message"]


def test_a_signature_is_as_good_as_the_key(azurite: Azurite) -> None:
    from azure.storage.blob import BlobClient

    url = f"{azurite.container('signed')}/s.jsonl"
    with BlobClient.from_blob_url(f"{url}?{azurite.sas('signed')}") as blob:
        blob.upload_blob(b"{}", overwrite=True)
    assert azurite.read(url) == b"{}"
