"""Custom categories from registration to deletion, in both dialects over one state.

A build goes on when somebody looks at it: each look is one word of the script.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from ..fault_server import Reply
from . import limits, operations, samples, scoring
from .assumed import COPY_SUFFIX, OPERATION_PATH
from .call import Call, route
from .dialects import CUSTOM, NEWER, NEWER_DIALECT, OLDER, dialect_of, error_of
from .paging import page
from .state import Operation, Version
from .wire import empty, invalid, json_reply, now, only, text_of

#: Neither begun nor going on.
AT_REST = ("registered", "succeeded", "failed", "delete_failed")


def register(call: Call) -> Reply:
    """Always a new version, with a number of the service's own."""
    dialect, name = dialect_of(call.version), call.parts["name"]
    data = only(
        call.data, "categoryName", "definition", "sampleBlobUrl", *dialect.extra
    )
    if text_of(data, "categoryName", limits.MAX_NAME) != name:
        raise invalid("categoryName must be the name in the path.")
    if call.version != OLDER and not limits.NAME.fullmatch(name):
        raise invalid("categoryName must have letters, digits and inner hyphens only.")
    definition = text_of(data, "definition", limits.MAX_DEFINITION)
    url = text_of(data, "sampleBlobUrl", limits.MAX_BLOB_URL)
    held = call.state.versions.setdefault(name, {})
    _make_room(call, name)
    content = _pinned(call, url)
    numbers = call.state.numbers
    # Assumed: a number is never given twice.
    taken = max(held, default=0) if call.service.reuses_numbers else numbers[name]
    numbers[name] = number = taken + 1
    call.state.registrations[name] += 1
    version = held[number] = Version(
        name=name,
        number=number,
        definition=definition,
        blob_url=url,
        copy_url=url + COPY_SUFFIX.format(number=number),
        created=now(),
        samples=content,
    )
    return json_reply(dialect.shown(version), 200 if len(held) > 1 else 201)


def build(call: Call) -> Reply:
    """Begin to build. Only the newer dialect says more than that it was heard."""
    number = call.number()
    if number is None:
        raise invalid("version is required.")
    version = find(call, call.parts["name"], number)
    operation = str(uuid4()) if call.version == OLDER else operations.named(call)
    if call.service.refuses:
        _may_build(call, version, operation)
    call.state.builds[version.key] += 1
    call.state.started.append(operation)
    call.state.operations[operation] = Operation(
        id=operation, kind="build", name=version.name, number=version.number
    )
    version.polls, version.status = 0, "running"
    version.build_triggered, version.error = now(), ("", "")
    if call.version == OLDER:
        return empty(202)
    return operations.accepted(call, OPERATION_PATH, operation)


def look(call: Call) -> Reply:
    """A version, or of all versions the latest (assumed)."""
    name, number, dialect = call.parts["name"], call.number(), dialect_of(call.version)
    if number is None and call.service.shows_all:
        chosen = list(call.state.versions.get(name, {}).values())
    else:
        chosen = [find(call, name, number)]
    for version in chosen:
        advance(call, version)
    # What was being deleted may be gone now.
    left = [one for one in chosen if one.number in call.state.versions.get(name, {})]
    if not left:
        raise call.assumed("no such version", f"There is no category {name}.")
    return json_reply({"value": [dialect.shown(one) for one in left]})


def list_latest(call: Call) -> Reply:
    """The latest version of each category."""
    dialect = dialect_of(call.version)
    latest = [
        held[max(held)] for _, held in sorted(call.state.versions.items()) if held
    ]
    return page(
        call,
        latest,
        lambda version: dialect.shown(version, listed=True),
        most=call.service.page_size,
    )


def operation(call: Call) -> Reply:
    """How far a build is; in the older dialect how far a deletion is (assumed)."""
    found = call.state.operations.get(call.parts["id"])
    kinds = ("remove",) if call.version == OLDER else ("build", "remove")
    if found is None or found.kind not in kinds:
        raise call.assumed("no such operation", "There is no such operation.")
    held = call.state.versions.get(found.name, {})
    targets = [
        version
        for version in list(held.values())
        if found.number in (None, version.number)
    ]
    for version in targets:
        advance(call, version)
    left = [version for version in targets if version.number in held]
    answer: dict[str, Any] = {"id": found.id, "status": "Succeeded"}
    if left:
        words = {"deleting": "Running", "delete_failed": "Failed"}
        word = NEWER_DIALECT.word(left[0].status)
        answer["status"] = words.get(left[0].status, word)
        if answer["status"] == "Failed":
            answer["error"] = error_of(left[0])
    return json_reply(answer)


def remove(call: Call) -> Reply:
    """A version, or all of them: at once in the newer dialect, later in the older."""
    name, number = call.parts["name"], call.number()
    held = call.state.versions.get(name, {})
    targets = list(held.values()) if number is None else [find(call, name, number)]
    if not targets:
        raise call.assumed("no such version", f"There is no category {name}.")
    if call.service.refuses:
        for version in targets:
            if version.status not in (*AT_REST, "deleting"):
                raise call.assumed(
                    "deleted while building", f"{version.key} is being built."
                )
    for version in targets:
        call.state.removals[version.key] += 1
        version.polls, version.status, version.removing = 0, "deleting", True
        version.delete_triggered, version.error = now(), ("", "")
        if call.version in NEWER:
            del held[version.number]
    if call.version in NEWER:
        return empty(204)
    id = str(uuid4())
    call.state.operations[id] = Operation(
        id=id, kind="remove", name=name, number=number
    )
    return operations.accepted(call, OPERATION_PATH, id)


def find(call: Call, name: str, number: int | None) -> Version:
    """The version, or the latest one. Raise Refused where there is none."""
    held = call.state.versions.get(name, {})
    chosen = max(held, default=0) if number is None else number
    if chosen not in held:
        raise call.assumed("no such version", f"There is no {name} v{chosen}.")
    return held[chosen]


def detected(call: Call, name: str, number: int | None, text: str) -> bool:
    """Whether a built version finds ``text``: by the service's words, or as one of the
    positive samples that it was made of."""
    version = find(call, name, number)
    if version.status not in ("succeeded", "delete_failed"):
        raise call.assumed("not built", f"{version.key} is not built.")
    if scoring.severity(call.service.words, name, text):
        return True
    return text in samples.positives(version.samples)


def advance(call: Call, version: Version) -> None:
    """One look at a version on its way brings it to the next word of its script."""
    if version.status in AT_REST:
        return
    service, number = call.service, version.polls
    script = service.removal if version.removing else service.script
    word = script[min(number, len(script) - 1)]
    version.polls += 1
    if not version.removing:
        wrong = samples.problem(version.samples) if word == "succeeded" else ""
        version.status = "failed" if wrong else word
        if version.status == "failed":
            version.error = ("InvalidSamples", wrong) if wrong else service.error
    elif word == "failed":
        version.status, version.removing = "delete_failed", False
        version.error = service.error
    elif number >= len(script):
        del call.state.versions[version.name][version.number]
    else:
        version.status = word


def _make_room(call: Call, name: str) -> None:
    held = call.state.versions
    if len(held[name]) >= call.service.max_versions:
        raise call.assumed(
            "too many versions",
            f"The category has {len(held[name])} versions, the most there may be.",
        )
    if not held[name] and len([n for n in held if held[n]]) >= (
        call.service.max_categories
    ):
        raise call.assumed("too many categories", "There are too many categories.")


def _pinned(call: Call, url: str) -> bytes:
    """The samples at ``url`` as they are now."""
    wrong = samples.place_problem(url, hierarchical=call.service.hierarchical)
    if not wrong:
        try:
            content = call.service.read_blob(url)
        except FileNotFoundError:
            wrong = "the blob does not exist"
        except PermissionError:
            wrong = (
                "no permission to read and write beside the blob: assign Storage Blob "
                "Data Contributor to the resource's managed identity"
            )
        else:
            # Assumed: what is in the file is looked at when it is built from.
            wrong = samples.problem(content) if call.service.checks_samples else ""
            if not wrong:
                return content
            raise call.assumed("wrong samples", f"{wrong}.")
    raise call.assumed("blob not readable", f"{wrong}.")


def _may_build(call: Call, version: Version, operation: str) -> None:
    operations.must_be_new(call, operation)
    if version.status == "succeeded":
        raise call.assumed("built already", f"{version.key} is built already.")
    for other in call.state.versions[version.name].values():
        if other.status not in AT_REST:
            raise call.assumed("building already", f"{other.key} is not at rest.")


ONE = "/text/categories/{name}"
ROUTES = [
    route("list", "GET", "/text/categories", CUSTOM, list_latest),
    route("operation", "GET", OPERATION_PATH + "{id}", CUSTOM, operation),
    route("register", "PUT", ONE, CUSTOM, register),
    route("look", "GET", ONE, CUSTOM, look),
    route("remove", "DELETE", ONE, CUSTOM, remove),
    route("build", "POST", ONE + ":build", CUSTOM, build),
]
