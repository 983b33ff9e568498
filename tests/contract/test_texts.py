"""What every provider promises about a text, whatever it is and wherever it asks."""

from __future__ import annotations

import importlib
import json
import pkgutil

import pytest

from django_contentsafety import providers
from django_contentsafety.exceptions import NotFound, UnsupportedFeature
from django_contentsafety.providers import Provider
from django_contentsafety.providers.azure.building import BuildingProvider
from django_contentsafety.providers.azure.provider import AzureProvider
from django_contentsafety.testing.fault_server import status
from django_contentsafety.testing.remote import RemoteProvider
from django_contentsafety.verdicts import SCALE_RANGE, Scale, Verdict

from .conftest import Table, every_party, every_remote_party
from .parties import ALIAS, KEY, PARTIES, Party, custom

#: One code point, two units of UTF-16, four bytes of UTF-8.
ASTRAL = "\U0001f600"


def check(party: Party, provider: Provider, verdict: Verdict, text: str) -> None:
    """What holds for every verdict."""
    assert verdict.source == ALIAS
    assert [score.category for score in verdict.scores] == party.names
    assert verdict.versions == party.versions
    for score in verdict.scores:
        is_custom = score.category in party.versions
        scales = provider.custom_scales if is_custom else provider.harm_scales
        given = {scale for scale in Scale.values if score.on(scale) is not None}
        assert given
        assert given <= scales
        for scale in given:
            low, high = SCALE_RANGE[scale]
            value = score.on(scale)
            assert value is not None
            assert low <= value <= high
    for span in verdict.spans:
        assert (span.field, span.category in party.names) == ("", True)
        assert 0 <= span.start < span.end <= len(text)
    # It is stored, and isn't where the text is kept.
    assert "CANARY" not in json.dumps(verdict.raw)


@every_party
def test_a_clean_text_is_allowed(table: Table) -> None:
    provider, text = table.provider(), table.party.fine
    (verdict,) = provider.analyze([text], table.party.asked)
    check(table.party, provider, verdict, text)
    assert table.decision(verdict) == "allow"


@every_party
def test_a_flagged_text_is_not(table: Table) -> None:
    provider, text = table.provider(), table.party.bad
    (verdict,) = provider.analyze([text], table.party.asked)
    check(table.party, provider, verdict, text)
    assert table.decision(verdict) in ("review", "block")


@every_party
@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u2028", "\ufeff", "\x00", ASTRAL])
def test_next_to_no_text_is_a_text(table: Table, text: str) -> None:
    provider = table.provider()
    (verdict,) = provider.analyze([text], table.party.asked)
    check(table.party, provider, verdict, text)
    assert table.decision(verdict) == "allow"


@every_party
def test_the_last_of_10001_astral_characters_is_looked_at(table: Table) -> None:
    provider, bad = table.provider(), table.party.bad
    text = ASTRAL * (10_000 - len(bad)) + " " + bad
    assert len(text) == 10_001
    clean, flagged = provider.analyze([ASTRAL * 10_001, text], table.party.asked)
    check(table.party, provider, flagged, text)
    assert table.decision(clean) == "allow"
    assert table.decision(flagged) in ("review", "block")


@every_remote_party
def test_no_request_is_longer_than_its_limit(table: Table) -> None:
    provider = table.provider()
    provider.analyze([ASTRAL * 25_000], table.party.asked)
    sent = [request.data["text"] for request in table.online.requests]
    assert set("".join(sent)) == {ASTRAL}
    assert sum(map(len, sent)) >= 25_000
    if provider.max_text_length is not None:
        assert max(map(len, sent)) <= provider.max_text_length


@every_remote_party
@pytest.mark.parametrize("length", [0, 1, 7_001, 10_001, 25_000])
def test_the_cost_is_what_is_sent(table: Table, length: int) -> None:
    provider, text = table.provider(), "word " * (length // 5) + "x" * (length % 5)
    cost = provider.cost([text], table.party.asked)
    provider.analyze([text], table.party.asked)
    assert sum(cost.values()) == len(table.online.requests)
    assert set(provider.limits) >= set(cost) or not provider.limits


@every_party
def test_the_texts_keep_their_order(table: Table) -> None:
    texts = [table.party.fine, table.party.bad, "", table.party.bad, table.party.fine]
    found = [table.decision(verdict) != "allow" for verdict in table.analyze(*texts)]
    assert found == [False, True, False, True, False]
    assert table.analyze() == []


@every_party
def test_the_same_text_is_answered_alike(table: Table) -> None:
    one, two = table.analyze(table.party.bad), table.analyze(table.party.bad)
    assert one[0].scores == two[0].scores


@every_party
def test_the_categories_come_in_the_order_they_were_asked_for(table: Table) -> None:
    asked = table.party.asked[::-1]
    (verdict,) = table.provider().analyze([table.party.fine], asked)
    assert [score.category for score in verdict.scores] == table.party.names[::-1]


@every_remote_party
def test_the_key_is_in_its_header_and_nowhere_else(table: Table) -> None:
    table.analyze(table.party.fine)
    for request in table.online.requests:
        assert KEY not in request.path
        assert KEY.encode() not in request.body
        assert [name for name, value in request.headers.items() if KEY in value] in (
            ["ocp-apim-subscription-key"],
            ["x-api-key"],
        )
        assert "CANARY" not in request.path


@every_remote_party
@pytest.mark.parametrize("version", ["9", "gone"])
def test_a_category_that_is_not_there_is_an_error(table: Table, version: str) -> None:
    provider, asked = table.provider(), [custom("gone", version)]
    if provider.custom_scales:
        if isinstance(provider, RemoteProvider):
            # Its own service takes any name.
            table.play(status(404, {"error": {"code": "NotFound"}}))
        with pytest.raises(NotFound):
            provider.analyze([table.party.fine], asked)
    else:
        with pytest.raises(UnsupportedFeature):
            provider.analyze([table.party.fine], asked)


def test_every_provider_is_here() -> None:
    found: set[type[Provider]] = set()
    for module in pkgutil.iter_modules(providers.__path__):
        code = importlib.import_module(f"{providers.__name__}.{module.name}")
        found |= {
            value
            for value in vars(code).values()
            if isinstance(value, type) and issubclass(value, Provider)
        }
    here = {
        type(party.make(endpoint="http://127.0.0.1:9")) for party in PARTIES.values()
    }
    # What others are made of.
    assert found - here == {Provider, AzureProvider, BuildingProvider}
