"""The scripted Azure's custom categories, in both dialects: what begins, and how often.

What no document says is *assumed*: those tests have the word in their names.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from django_contentsafety.testing.azure import AzureService
from django_contentsafety.testing.azure.assumed import ASSUMED
from django_contentsafety.testing.azure.samples import any_samples, place_problem
from django_contentsafety.testing.fault_server import FaultServer, reset
from django_contentsafety.testing.trainer import Fault

from .plain import BLOB, NEWER, OLDER, Plain

CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")
#: Our words, and those of each dialect.
WORDS = {
    OLDER: ("BuildNotStarted", "Building", "BuildSucceeded", "BuildFailed"),
    NEWER: ("NotStarted", "Running", "Succeeded", "Failed"),
}


def status(plain: Plain, number: int = 1) -> str:
    (shown,) = plain.look(number).data["value"]
    word: str = shown["status"]
    return word


def detected(plain: Plain, text: str, number: int = 1) -> bool:
    """Asked as the dialect asks."""
    if plain.version == OLDER:
        one = {"categoryName": "scam", "version": number}
        data = plain.analyze(text, customizedCategories=[one]).data
        (found,) = data["textCustomizedCategoriesAnalysis"]
        assert found["categoryName"] == "scam"
        assert len(data["categoriesAnalysis"]) == 4
        return bool(found["detected"])
    asked = {"text": text, "categoryName": "scam", "version": number}
    got = plain.ask("POST", "/text:analyzeCustomCategory", asked)
    return bool(got.data["customCategoryAnalysis"]["detected"])


def test_a_registration_is_a_new_version_each_time(serve: Any, dialect: str) -> None:
    service, plain = serve(dialect)
    first, second = plain.register(), plain.register()
    assert (first.status, second.status) == (201, 200)
    copied = "sampleBlobCopyUrl" if dialect == OLDER else "sampleBlobSnapshotUrl"
    data = second.data
    assert CREATED.fullmatch(data.pop("createdTime"))
    assert data.pop(copied).startswith(BLOB)
    assert data == {
        "categoryName": "scam",
        "definition": "Scams.",
        "sampleBlobUrl": BLOB,
        "version": 2,
        "status": WORDS[dialect][0],
    }
    assert service.state.registrations == {"scam": 2}


def test_a_build_goes_by_its_script(serve: Any, dialect: str) -> None:
    script = ["running", "Rebalancing", "running", "succeeded"]
    service, plain = serve(dialect, script=script, words={"scam": {"scam": 1}})
    plain.register()
    got = plain.build()
    assert got.status == 202
    seen = [status(plain) for _ in range(6)]
    _, running, done, _ = WORDS[dialect]
    assert seen == [running, "Rebalancing", running, done, done, done]
    assert service.state.builds == {"scam/1": 1}
    assert [detected(plain, text) for text in ("a SCAM", "fine")] == [True, False]
    # One of the samples that it was built from.
    assert detected(plain, "Positive sample 7.")


def test_the_older_build_says_nothing(serve: Any) -> None:
    _, plain = serve(OLDER)
    plain.register()
    got = plain.build()
    assert (got.status, got.body) == (202, b"")
    assert not {"operation-id", "operation-location"} & set(got.headers)


def test_the_newer_build_is_an_operation(serve: Any) -> None:
    service, plain = serve(NEWER, script=["running", "succeeded"])
    plain.register()
    got = plain.build(headers={"Operation-Id": "cs-1-abc"})
    assert got.data == {"id": "cs-1-abc", "status": "NotStarted"}
    assert got.headers["operation-id"] == "cs-1-abc"
    link = got.headers["operation-location"]
    found = [plain.follow(link).data for _ in range(3)]
    assert found == [
        {"id": "cs-1-abc", "status": word}
        for word in ("Running", "Succeeded", "Succeeded")
    ]
    assert service.state.started == ["cs-1-abc"]
    plain.register()
    mine = plain.build(2)
    assert re.fullmatch("[0-9a-f-]{36}", mine.data["id"])
    long = plain.build(2, headers={"Operation-Id": "x" * 65})
    assert (long.status, long.code) == (400, "InvalidRequestBody")


def test_a_failed_build_says_why(serve: Any, dialect: str) -> None:
    error = ("InternalError", "No.")
    _, plain = serve(dialect, script=["failed"], error=error)
    plain.register()
    operation = plain.build()
    (shown,) = plain.look().data["value"]
    (listed,) = plain.ask("GET", "/text/categories").data["value"]
    assert shown["status"] == listed["status"] == WORDS[dialect][3]
    inner = {"code": "InternalError", "message": "No."}
    if dialect == OLDER:
        info = shown["buildInfo"]
        assert CREATED.fullmatch(info["lastBuildTriggeredTime"])
        assert info["buildError"] == {"error": inner}
        assert listed["buildInfo"]["buildError"] == {
            "error": inner,
            "errorCode": "InternalError",
        }
    else:
        assert shown["errorMessage"] == "No."
        found = plain.follow(operation.headers["operation-location"]).data
        assert (found["status"], found["error"]) == ("Failed", inner)
    # It can be tried again.
    assert plain.build().status == 202


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([{"text": str(n)} for n in range(49)], "it has 49"),
        ([{"text": "twice"}] * 60, "a sample twice"),
        ([{"text": f"{n}", "isPositive": n < 49} for n in range(90)], "it has 49"),
        ([{"txt": "x"}], "not a sample"),
        ([{"text": f"{n}" * 1500} for n in range(60)], "128000 bytes"),
    ],
)
def test_assumed_wrong_samples_fail_the_build(
    serve: Any, lines: list[Any], words: str
) -> None:
    content = "\n".join(json.dumps(line) for line in lines).encode()
    _, plain = serve(OLDER, read_blob=lambda url: content)
    assert plain.register().status == 201
    plain.build()
    (shown,) = plain.look().data["value"]
    assert words in shown["buildInfo"]["buildError"]["error"]["message"]
    _, strict = serve(OLDER, read_blob=lambda url: content, checks_samples=True)
    got = strict.register()
    assert got.status == 400
    assert words in got.data["error"]["message"]


def test_the_samples_are_those_of_the_registration(serve: Any, dialect: str) -> None:
    blob = [any_samples("")]
    _, plain = serve(dialect, read_blob=lambda url: blob[0])
    plain.register()
    blob[0] = b""
    plain.build()
    assert status(plain) == WORDS[dialect][2]
    assert detected(plain, "Positive sample 0.")


def refused_blob(error: type[Exception]) -> Any:
    def read_blob(url: str) -> bytes:
        raise error

    return read_blob


@pytest.mark.parametrize(
    ("options", "data", "words"),
    [
        ({"read_blob": refused_blob(FileNotFoundError)}, {}, "does not exist"),
        ({"read_blob": refused_blob(PermissionError)}, {}, "Storage Blob Data"),
        ({"hierarchical": True}, {}, "hierarchical"),
        ({}, {"sampleBlobUrl": BLOB.replace("scam", "a/scam")}, "one layer"),
        ({}, {"sampleBlobUrl": f"{BLOB}?sig=x"}, "no query"),
        ({}, {"sampleBlobUrl": "samples/scam.jsonl"}, "not the URL"),
        ({}, {"sampleBlobUrl": BLOB.replace("jsonl", "csv")}, ".jsonl"),
    ],
)
def test_assumed_a_blob_it_cannot_read_is_refused_at_once(
    serve: Any, dialect: str, options: Any, data: Any, words: str
) -> None:
    service, plain = serve(dialect, **options)
    got = plain.register(**data)
    assert (got.status, got.code) == ASSUMED["blob not readable"]
    assert words in got.data["error"]["message"]
    assert not service.state.registrations


def test_a_real_account_has_no_part_of_the_path() -> None:
    url = "https://acct.blob.core.windows.net/samples/scam.jsonl"
    assert place_problem(url, hierarchical=False) == ""
    nested = url.replace("samples/", "samples/a/")
    assert "one layer" in place_problem(nested, hierarchical=False)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("scam", {"definition": ""}),
        ("scam", {"definition": "x" * 1001}),
        ("scam", {"categoryName": "other"}),
        ("scam", {"sampleBlobUrl": BLOB + "x" * 500}),
        ("scam", {"blobPrefix": "/"}),
        ("x" * 65, {}),
    ],
)
def test_a_registration_that_is_none_is_refused(
    serve: Any, dialect: str, name: str, data: Any
) -> None:
    service, plain = serve(dialect)
    got = plain.register(name, **data)
    assert (got.status, got.code) == (400, "InvalidRequestBody")
    assert not service.state.registrations


def test_a_dialect_has_its_own_fields_and_names(serve: Any) -> None:
    _, older = serve(OLDER)
    _, newer = serve(NEWER)
    assert older.register(blobDelimiter="/").status == 201
    assert "blobDelimiter" not in older.look().data["value"][0]
    assert newer.register(blobDelimiter="/").status == 400
    assert [older.register("a_b").status, newer.register("a_b").status] == [201, 400]


def test_there_are_three_versions_of_three_categories(serve: Any, dialect: str) -> None:
    _, plain = serve(dialect)
    for name in ("one", "two", "three"):
        assert [plain.register(name).status for _ in range(3)] == [201, 200, 200]
        assert plain.register(name).status == ASSUMED["too many versions"][0]
    assert plain.register("four").status == ASSUMED["too many categories"][0]
    plain.ask("DELETE", "/text/categories/one", version=1)
    plain.look(1, "one")
    plain.look(1, "one")
    assert plain.register("one").data["version"] == 4


def test_assumed_a_number_may_be_given_again(serve: Any) -> None:
    _, plain = serve(NEWER, reuses_numbers=True)
    for _ in range(2):
        assert plain.register().data["version"] == 1
        assert plain.ask("DELETE", "/text/categories/scam").status == 204


def test_a_list_has_the_latest_of_each(serve: Any, dialect: str) -> None:
    _, plain = serve(dialect, max_categories=9)
    names = [f"c{n}" for n in range(5)]
    for name in names:
        plain.register(name)
        plain.register(name)
    got = plain.ask("GET", "/text/categories", maxpagesize=2)
    pages = [got.data]
    while link := pages[-1].get("nextLink"):
        pages.append(plain.follow(link).data)
    found = [one for page in pages for one in page["value"]]
    assert [(one["categoryName"], one["version"]) for one in found] == [
        (name, 2) for name in names
    ]
    assert [len(page["value"]) for page in pages] == [2, 2, 1]


def test_without_a_number_the_latest_is_shown_or_all(serve: Any, dialect: str) -> None:
    for shows_all, numbers in ((False, [2]), (True, [1, 2])):
        _, plain = serve(dialect, shows_all=shows_all)
        plain.register()
        plain.register()
        shown = plain.ask("GET", "/text/categories/scam").data["value"]
        assert [one["version"] for one in shown] == numbers


def test_the_older_deletion_takes_its_time(serve: Any) -> None:
    service, plain = serve(OLDER, removal=["deleting", "deleting"])
    plain.register()
    plain.build()
    status(plain)
    got = plain.ask("DELETE", "/text/categories/scam", version=1)
    assert (got.status, got.data["status"]) == (202, "NotStarted")
    link = got.headers["operation-location"]
    assert plain.follow(link).data["status"] == "Running"
    (shown,) = plain.look().data["value"]
    assert shown["status"] == "Deleting"
    assert CREATED.fullmatch(shown["deleteInfo"]["deleteTriggeredTime"])
    assert plain.look().code == "ResourceNotFound"
    assert plain.follow(link).data["status"] == "Succeeded"
    assert service.state.removals == {"scam/1": 1}


def test_an_older_deletion_may_fail(serve: Any) -> None:
    _, plain = serve(OLDER, removal=["deleting", "failed"], error=("Busy", "No."))
    plain.register()
    link = plain.ask("DELETE", "/text/categories/scam").headers["operation-location"]
    assert [status(plain), status(plain), status(plain)] == [
        "Deleting",
        "DeleteFailed",
        "DeleteFailed",
    ]
    (shown,) = plain.look().data["value"]
    error = {"code": "Busy", "message": "No."}
    assert shown["deleteInfo"]["deleteError"] == {"error": error}
    assert plain.follow(link).data["error"] == error


def test_the_newer_deletion_is_done_at_once(serve: Any) -> None:
    _, plain = serve(NEWER)
    for _ in range(3):
        plain.register()
    got = plain.ask("DELETE", "/text/categories/scam", version=2)
    assert (got.status, got.body) == (204, b"")
    assert [plain.look(n).status for n in (1, 2, 3)] == [200, 404, 200]
    assert plain.ask("DELETE", "/text/categories/scam").status == 204
    assert [plain.look(n).status for n in (1, 2, 3)] == [404, 404, 404]
    assert plain.ask("DELETE", "/text/categories/scam").status == 404


def test_assumed_what_cannot_be_done_now_is_a_conflict(
    serve: Any, dialect: str
) -> None:
    service, plain = serve(dialect, script=["running", "succeeded"])
    plain.register()
    plain.register()
    asked = {"text": "x", "categoryName": "scam", "version": 1}
    inline = {"customizedCategories": [{"categoryName": "scam", "version": 1}]}
    if dialect == OLDER:
        unbuilt = plain.analyze("x", **inline)
    else:
        unbuilt = plain.ask("POST", "/text:analyzeCustomCategory", asked)
    assert (unbuilt.status, unbuilt.code) == ASSUMED["not built"]
    plain.build(1)
    found = [
        plain.build(1),
        plain.build(2),
        plain.ask("DELETE", "/text/categories/scam", version=1),
    ]
    assert [got.status for got in found] == [409] * 3
    assert [status(plain), status(plain)] == list(WORDS[dialect][1:3])
    assert plain.build(1).status == ASSUMED["built already"][0]
    assert (service.state.builds, service.state.removals) == ({"scam/1": 1}, {})


def test_assumed_answers_can_be_others(serve: Any) -> None:
    _, plain = serve(NEWER, assumed={"no such version": (410, "Gone")})
    assert (plain.look().status, plain.look().code) == (410, "Gone")


def test_what_does_not_refuse_does_it_twice(serve: Any, dialect: str) -> None:
    service, plain = serve(dialect, refuses=False)
    plain.register()
    for _ in range(2):
        assert plain.build().status == 202
    assert service.state.builds == {"scam/1": 2}


def test_a_lost_answer_was_acted_on(serve: Any, dialect: str) -> None:
    service, plain = serve(dialect, script=["running"])
    service.fail("register", Fault(reset(), acts=True), Fault(reset()))
    for _ in range(2):
        with pytest.raises(ConnectionError):
            plain.register()
    assert service.state.registrations == {"scam": 1}
    assert plain.look().status == 200


@pytest.mark.parametrize("path", ["scam:build", "other:build?version=1"])
def test_a_build_names_a_version_that_is_there(
    serve: Any, dialect: str, path: str
) -> None:
    _, plain = serve(dialect)
    plain.register()
    name, _, query = path.partition("?")
    query = f"&{query}" if query else ""
    key = {"Ocp-Apim-Subscription-Key": "k" * 32}
    target = f"/contentsafety/text/categories/{name}?api-version={dialect}{query}"
    assert plain.send("POST", target, b"", key).status == (404 if query else 400)


def test_a_restart_forgets_nothing(serve: Any, dialect: str) -> None:
    service, plain = serve(dialect, script=["running"] * 3 + ["succeeded"])
    plain.register()
    plain.build()
    status(plain)
    # As a file would keep it.
    state = copy.deepcopy(service.state)
    again = AzureService(state=state, script=service.script)
    with FaultServer(again) as server:
        plain = Plain(server, dialect)
        seen = [status(plain) for _ in range(3)]
    assert seen == [*[WORDS[dialect][1]] * 2, WORDS[dialect][2]]
    assert again.state.builds == {"scam/1": 1}


def test_operations_may_be_forgotten(serve: Any) -> None:
    service, plain = serve(NEWER)
    plain.register()
    link = plain.build().headers["operation-location"]
    service.forget_operations()
    assert plain.follow(link).status == 404
    assert status(plain) == "Succeeded"


# Incidents.


def test_an_incident_from_beginning_to_end(serve: Any) -> None:
    service, plain = serve(NEWER, script=["running", "succeeded"])
    path = "/text/incidents/raid"
    content = {"incidentName": "raid", "incidentDefinition": "A raid."}
    made = [plain.ask("PATCH", path, content) for _ in range(2)]
    assert [got.status for got in made] == [201, 200]
    assert sorted(made[0].data) == [
        "created",
        "incidentDefinition",
        "incidentName",
        "lastUpdated",
    ]
    samples = {"incidentSamples": [{"text": "join the raid"}, {"text": "bananas"}]}
    added = plain.ask("POST", f"{path}:addIncidentSamples", samples).data
    one, two = added["incidentSamples"]
    assert (one["text"], two["text"]) == ("join the raid", "bananas")
    ids = {"incidentSampleIds": [two["incidentSampleId"]]}
    assert plain.ask("POST", f"{path}:removeIncidentSamples", ids).status == 204
    listed = plain.ask("GET", f"{path}/incidentSamples").data["value"]
    assert listed == [one]
    got = plain.ask("GET", f"{path}/incidentSamples/{one['incidentSampleId']}")
    assert got.data == one
    asked = {"text": "Join the raid now", "incidentNames": ["raid"]}
    early = plain.ask("POST", "/text:detectIncidents", asked)
    assert (early.status, early.code) == ASSUMED["not deployed"]
    deployed = plain.ask("POST", f"{path}:deploy", headers={"Operation-Id": "d-1"})
    assert (deployed.status, deployed.data["id"]) == (202, "d-1")
    link = deployed.headers["operation-location"]
    assert [plain.follow(link).data["status"] for _ in range(3)] == [
        "Running",
        "Succeeded",
        "Succeeded",
    ]
    hit = plain.ask("POST", "/text:detectIncidents", asked).data
    assert hit == {"incidentMatches": [{"incidentName": "raid"}]}
    asked["text"] = "bananas"
    assert (
        plain.ask("POST", "/text:detectIncidents", asked).data["incidentMatches"] == []
    )
    assert service.state.deployments == {"raid": 1}
    assert len(plain.ask("GET", "/text/incidents").data["value"]) == 1
    assert plain.ask("DELETE", path).status == 204
    assert plain.ask("GET", path).status == 404


def test_a_failed_deployment_has_a_message(serve: Any) -> None:
    _, plain = serve(NEWER, script=["failed"], error=("x", "No."))
    path = "/text/incidents/raid"
    plain.ask("PATCH", path, {"incidentDefinition": "A raid."})
    link = plain.ask("POST", f"{path}:deploy").headers["operation-location"]
    data = plain.follow(link).data
    assert (data["status"], data["errorMessage"]) == ("Failed", "No.")


def test_incidents_have_limits(serve: Any) -> None:
    _, plain = serve(NEWER)
    assert plain.ask("PATCH", "/text/incidents/a_b", {}).status == 400
    path = "/text/incidents/raid"
    plain.ask("PATCH", path, {"incidentDefinition": "A raid."})

    def add(count: int, size: int = 1) -> int:
        sent = {"incidentSamples": [{"text": "x" * size}] * count}
        return plain.ask("POST", f"{path}:addIncidentSamples", sent).status

    assert [add(0), add(101), add(1, 501), add(1, 500)] == [400, 400, 400, 200]
    assert [add(100) for _ in range(10)] == [200] * 9 + [400]
