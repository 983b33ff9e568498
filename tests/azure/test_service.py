"""The scripted Azure answers as Azure's documents say: analysis, access, headers."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from django_contentsafety.testing.azure import STEPS, AzureService, faults
from django_contentsafety.testing.azure.scoring import HARM
from django_contentsafety.testing.fault_server import reset
from django_contentsafety.testing.trainer import Fault

from .plain import GA, KEY, MODERATOR, NEWER, OLDER, Plain

#: One code point, two units of UTF-16, four bytes of UTF-8.
ASTRAL = "\U0001f600"
WORDS = {
    "slur": {"Hate": 7},
    "fight": {"Violence": 3},
    "kill": {"Violence": 5, "SelfHarm": 1},
}


def severities(data: Any) -> dict[str, int]:
    return {one["category"]: one["severity"] for one in data["categoriesAnalysis"]}


@pytest.mark.parametrize("version", [GA, OLDER, NEWER])
def test_every_category_has_a_severity_of_four_levels(serve: Any, version: str) -> None:
    _, plain = serve(version, words=WORDS)
    data = plain.analyze("A Fight, and they KILL").data
    assert data["blocklistsMatch"] == []
    assert severities(data) == {"Hate": 0, "SelfHarm": 0, "Sexual": 0, "Violence": 4}
    assert severities(plain.analyze("").data) == dict.fromkeys(HARM, 0)


@pytest.mark.parametrize("value", range(8))
def test_four_levels_are_the_eight_trimmed(serve: Any, value: int) -> None:
    _, plain = serve(GA, words={"x": {"Hate": value}})
    eight = plain.analyze("x", outputType="EightSeverityLevels").data
    four = plain.analyze("x", outputType="FourSeverityLevels").data
    # [0,1]→0 [2,3]→2 [4,5]→4 [6,7]→6.
    expected = {0: 0, 1: 0, 2: 2, 3: 2, 4: 4, 5: 4, 6: 6, 7: 6}[value]
    assert (severities(eight)["Hate"], severities(four)["Hate"]) == (value, expected)


def test_only_what_is_asked_for_is_answered(serve: Any) -> None:
    _, plain = serve(GA, words=WORDS)
    data = plain.analyze("fight", categories=["Violence", "Hate"]).data
    assert severities(data) == {"Violence": 2, "Hate": 0}


def test_the_limit_counts_code_points(serve: Any) -> None:
    _, plain = serve(GA)
    assert plain.analyze(ASTRAL * 10_000).status == 200
    refused = plain.analyze(ASTRAL * 10_001)
    assert (refused.status, refused.code) == (400, "InvalidRequestBody")
    # As the one that was recorded.
    assert refused.data["error"]["details"] == []
    assert " | Request Id: " in refused.data["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"text": 1}',
        b'{"text": null}',
        b'{"texts": "x"}',
        b'{"text": "x", "categories": ["Nonsense"]}',
        b'{"text": "x", "categories": "Hate"}',
        b'{"text": "x", "outputType": "TwoLevels"}',
        b'{"text": "x", "haltOnBlocklistHit": 1}',
        b'{"text": "x", "customizedCategories": []}',
    ],
)
def test_a_body_that_is_not_as_defined_is_refused(serve: Any, body: bytes) -> None:
    _, plain = serve(GA)
    target = f"/contentsafety/text:analyze?api-version={GA}"
    got = plain.send("POST", target, body, {"Ocp-Apim-Subscription-Key": KEY})
    assert (got.status, got.code) == (400, "InvalidRequestBody")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Ocp-Apim-Subscription-Key": KEY}, 200),
        ({"Authorization": "Bearer t0ken"}, 200),
        ({}, 401),
        ({"Ocp-Apim-Subscription-Key": "other"}, 401),
        ({"Ocp-Apim-Subscription-Key": ""}, 401),
        ({"Authorization": "t0ken"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Bearer t0ken", "Ocp-Apim-Subscription-Key": KEY}, 401),
    ],
)
def test_one_credential_is_asked_for(serve: Any, headers: Any, status: int) -> None:
    _, plain = serve(GA, token="t0ken")
    got = plain.ask("POST", "/text:analyze", {"text": "x"}, headers=headers)
    assert got.status == status
    if status == 401:
        assert got.code == "401"
        assert "invalid subscription key" in got.data["error"]["message"]


def test_without_a_token_no_bearer_is_let_in(serve: Any) -> None:
    _, plain = serve(GA)
    for bearer in ("Bearer ", "Bearer x"):
        got = plain.ask("GET", "/text/blocklists", headers={"Authorization": bearer})
        assert got.status == 401


def test_every_answer_says_which_it_is(serve: Any) -> None:
    _, plain = serve(GA)
    fine, wrong = plain.analyze("x"), plain.analyze(1)  # type: ignore[arg-type]
    for got in (fine, wrong):
        UUID(got.headers["apim-request-id"])
        assert got.headers["x-ms-region"]
        assert got.headers["content-type"] == "application/json; charset=utf-8"
    assert fine.headers["apim-request-id"] != wrong.headers["apim-request-id"]
    assert GA in fine.headers["api-supported-versions"].split(",")


#: Path, and the API versions that have it.
SERVED = {
    ("POST", "/text:analyze"): {GA, OLDER, NEWER},
    ("POST", "/text:analyzeCustomCategory"): {NEWER},
    ("GET", "/text/categories"): {OLDER, NEWER},
    ("GET", "/text/incidents"): {NEWER},
    ("GET", "/text/blocklists"): {GA, OLDER, NEWER},
    ("POST", "/text:detectIncidents"): {NEWER},
    ("GET", "/text:analyze"): set(),
    ("POST", "/text/analyze"): set(),
    ("GET", "/text/categories/scam:listVersions"): set(),
}


@pytest.mark.parametrize(("method", "path"), SERVED)
@pytest.mark.parametrize("version", [GA, OLDER, NEWER, "2023-10-01", "nonsense", ""])
def test_a_version_has_its_operations_and_no_others(
    serve: Any, method: str, path: str, version: str
) -> None:
    _, plain = serve(version)
    got = plain.ask(method, path, {"text": "x"} if method == "POST" else None)
    if version in SERVED[method, path]:
        assert got.status in (200, 400)
    else:
        assert (got.status, got.code) == (404, "404")


@pytest.mark.parametrize("target", ["//contentsafety/text:analyze", "/text:analyze"])
def test_a_path_is_what_it_is(serve: Any, target: str) -> None:
    _, plain = serve(GA)
    key = {"Ocp-Apim-Subscription-Key": KEY}
    got = plain.send("POST", f"{target}?api-version={GA}", b'{"text": "x"}', key)
    assert got.status == 404
    without = plain.send("POST", "/contentsafety/text:analyze", b"{}", key)
    assert without.status == 404


def test_a_retired_version_is_an_unknown_one(serve: Any) -> None:
    _, plain = serve(OLDER, retired=[OLDER])
    assert plain.analyze("x").status == 404
    plain.version = GA
    assert plain.analyze("x").status == 200


# Blocklists.


@pytest.fixture
def listed(serve: Any) -> tuple[AzureService, Plain]:
    service, plain = serve(GA, words=WORDS)
    made = [
        plain.ask("PATCH", "/text/blocklists/bad", {"description": d}) for d in "ab"
    ]
    assert [got.status for got in made] == [201, 200]
    assert made[1].data == {"blocklistName": "bad", "description": "b"}
    return service, plain


def add(plain: Plain, *texts: str) -> list[Any]:
    path = "/text/blocklists/bad:addOrUpdateBlocklistItems"
    got = plain.ask("POST", path, {"blocklistItems": [{"text": t} for t in texts]})
    assert got.status == 200
    items: list[Any] = got.data["blocklistItems"]
    return items


def test_a_hit_halts_only_where_that_is_asked_for(listed: Any) -> None:
    _, plain = listed
    (item,) = add(plain, "Brandname")
    names = {"blocklistNames": ["bad"]}
    on = plain.analyze("my brandname, fight", **names).data
    assert on["blocklistsMatch"] == [
        {
            "blocklistName": "bad",
            "blocklistItemId": item["blocklistItemId"],
            "blocklistItemText": "Brandname",
        }
    ]
    assert severities(on)["Violence"] == 2
    halted = plain.analyze("my brandname, fight", haltOnBlocklistHit=True, **names).data
    assert (halted["categoriesAnalysis"], len(halted["blocklistsMatch"])) == ([], 1)
    missed = plain.analyze("fight", haltOnBlocklistHit=True, **names).data
    assert severities(missed)["Violence"] == 2
    assert plain.analyze("x", blocklistNames=["other"]).status == 404


def test_items_come_in_pages_by_absolute_links(listed: Any) -> None:
    _, plain = listed
    added = add(plain, *(f"term {n}" for n in range(7)))
    assert add(plain, "term 3")[0]["blocklistItemId"] == added[3]["blocklistItemId"]
    path = "/text/blocklists/bad/blocklistItems"
    got = plain.ask("GET", path, top=5, skip=1, maxpagesize=2)
    found = [got.data]
    while link := found[-1].get("nextLink"):
        assert f"api-version={GA}" in link
        found.append(plain.follow(link).data)
    assert [len(one["value"]) for one in found] == [2, 2, 1]
    assert [i["text"] for one in found for i in one["value"]] == [
        f"term {n}" for n in range(1, 6)
    ]
    assert len(plain.ask("GET", path).data["value"]) == 7
    assert plain.ask("GET", path, top="x").status == 400


def test_items_and_lists_go(listed: Any) -> None:
    _, plain = listed
    one, two = add(plain, "one", "two")
    path = "/text/blocklists/bad"
    ids = {"blocklistItemIds": [one["blocklistItemId"]]}
    assert plain.ask("POST", f"{path}:removeBlocklistItems", ids).status == 204
    assert plain.ask("POST", f"{path}:removeBlocklistItems", ids).status == 404
    item = f"{path}/blocklistItems/{two['blocklistItemId']}"
    assert plain.ask("GET", item).data["text"] == "two"
    assert plain.ask("DELETE", path).status == 204
    assert plain.ask("GET", path).code == "ResourceNotFound"
    assert plain.ask("GET", "/text/blocklists").data == {"value": []}


def test_a_change_takes_its_time_where_it_should(serve: Any) -> None:
    now = [0.0]
    _, plain = serve(GA, propagation=300, clock=lambda: now[0])
    plain.ask("PATCH", "/text/blocklists/bad", {})
    add(plain, "late")
    seen = []
    for now[0] in (0.0, 299.0, 300.0):
        data = plain.analyze("late", blocklistNames=["bad"]).data
        seen.append(len(data["blocklistsMatch"]))
    assert seen == [0, 0, 1]


# Content Moderator.


@pytest.fixture
def moderator(serve: Any) -> Plain:
    _, plain = serve(MODERATOR, words=WORDS)
    plain.prefix = ""
    return plain


def moderate(plain: Plain, text: object, **data: Any) -> Any:
    path = "/contentmoderator/moderate/text/detect"
    return plain.ask("POST", path, {"text": text, **data})


def test_scores_come_in_another_order_each_time(moderator: Plain) -> None:
    found = [moderate(moderator, "a slur", categories=[]) for _ in range(4)]
    orders = {tuple(one["category"] for one in got.data["value"]) for got in found}
    assert len(orders) == 4
    for got in found:
        by_name = {one.pop("category"): one for one in got.data["value"]}
        assert sorted(by_name) == ["HateSpeech", "SelfHarm", "Sexual", "Violence"]
        assert by_name["HateSpeech"] == {
            "detected": True,
            "score": 0.98,
            "modelOutputDetail": None,
            "diagnoses": None,
        }
        assert (by_name["Sexual"]["score"], by_name["Sexual"]["detected"]) == (
            7.484918e-4,
            False,
        )
        # As .NET writes it.
        assert b":7.484918E-4," in got.body
    only = moderate(moderator, "", categories=["Violence"]).data["value"]
    assert [(one["category"], one["score"]) for one in only] == [("Violence", 0.0)]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (ASTRAL * 7001, {}),
        (1, {}),
        ("x", {"categories": ["PII"]}),
        ("x", {"categories": "Sexual"}),
        ("x", {"language": "en"}),
    ],
)
def test_the_moderators_errors_are_flat(
    moderator: Plain, text: object, options: Any
) -> None:
    assert moderate(moderator, ASTRAL * 7000).status == 200
    got = moderate(moderator, text, **options)
    assert (got.status, got.data["code"]) == (400, "InvalidRequestBody")


def test_a_wrong_key_may_be_forbidden(serve: Any) -> None:
    _, plain = serve(MODERATOR, denied=403, key="other")
    plain.prefix = ""
    got = moderate(plain, "x")
    assert (got.status, got.code) == (403, "403")


# Rates and faults.


@pytest.mark.parametrize(
    ("tier", "version", "prefix", "count", "seconds"),
    [
        ("F0", GA, "/contentsafety", 5, 1),
        ("S0", GA, "/contentsafety", 1000, 10),
        ("F0", MODERATOR, "", 1, 1),
        ("S0", MODERATOR, "", 10, 1),
    ],
)
def test_a_tier_has_its_rates(
    tier: str, version: str, prefix: str, count: int, seconds: int
) -> None:
    from django_contentsafety.testing.azure.rates import Rates

    now = [0.0]
    rates = Rates(tier, lambda: now[0])
    step = "analyze" if prefix else "moderate"
    assert [rates.refuse(step) for _ in range(count)] == [None] * count
    refused = rates.refuse(step)
    assert refused is not None
    assert (refused.status, refused.headers["Retry-After"]) == (429, str(seconds))
    now[0] = seconds
    assert rates.refuse(step) is None


def test_the_categories_have_a_rate_of_their_own(serve: Any) -> None:
    now = [0.0]
    _, plain = serve(OLDER, tier="S0", clock=lambda: now[0])
    found = [plain.ask("GET", "/text/categories").status for _ in range(6)]
    assert found == [200] * 5 + [429]
    assert plain.analyze("x").status == 200


def test_without_a_tier_nothing_is_counted(serve: Any) -> None:
    _, plain = serve(GA)
    assert {plain.analyze("x").status for _ in range(20)} == {200}


@pytest.mark.parametrize("kind", faults.THROTTLED)
def test_a_planned_fault_comes_once(serve: Any, kind: str) -> None:
    service, plain = serve(GA)
    service.fail("analyze", Fault(faults.throttled(kind)))
    assert [plain.analyze("x").status for _ in range(2)] == [429, 200]
    assert service.state.calls["analyze"] == 1


def test_a_chance_may_fail_any_step(serve: Any) -> None:
    heard: list[str] = []

    def chance(step: str) -> Fault | None:
        heard.append(step)
        return Fault(reset()) if step == "blocklists" else None

    _, plain = serve(GA, chance=chance)
    assert plain.analyze("x").status == 200
    with pytest.raises(ConnectionError):
        plain.ask("GET", "/text/blocklists")
    assert heard == ["analyze", "blocklists"]
    assert set(heard) <= set(STEPS)


def test_the_other_faults_are_what_they_say() -> None:
    spent = faults.quota_spent()
    assert (spent.status, sorted(json.loads(spent.body))) == (
        403,
        ["message", "statusCode"],
    )
    assert [faults.server_error(c).status for c in (500, 503, 504)] == [500, 503, 504]
    assert faults.nothing().body == b""
    assert b"<html>" in faults.page().body
    cut = faults.cut(faults.server_error(500))
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut.body)
    with pytest.raises(ValueError, match="no such kind"):
        faults.throttled("shouting")
