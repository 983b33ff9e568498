"""A category is deleted at Azure in one call, where nobody else has a version of it."""

from __future__ import annotations

from typing import Any

import pytest

from django_contentsafety.flows import build, leaving
from django_contentsafety.models import Category
from tests.building import settle

from .lives import freeze, world
from .plain import NEWER, OLDER, Plain

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("dialect", [OLDER, NEWER])
def test_all_of_it_in_one_call(settings: Any, dialect: str, others: bool) -> None:
    with world(settings, dialect) as site:
        for number in (1, 2):
            build.start(freeze("remote", number), by="7")
            settle()
        state = site.azure.state
        if others:
            url = state.versions["scam"][1].blob_url
            got = Plain(site.server, dialect).register(sampleBlobUrl=url)
            assert got.status == 200
        leaving.delete_category(Category.objects.get(), by="8")
        settle()
        assert not Category.objects.exists()
        assert sorted(state.versions["scam"]) == ([3] if others else [])
        assert dict(state.removals) == {"scam/1": 1, "scam/2": 1}
        sent = [one for one in site.server.requests if one.method == "DELETE"]
        assert len(sent) == (2 if others else 1)
        # Whoever deletes them, their samples go, each once.
        assert list(site.blobs.deleted.values()) == [1, 1]
