"""Custom categories (rapid): incidents, which have samples and no training."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from ..fault_server import Reply
from . import limits, operations, scoring
from .call import Call, route
from .dialects import NEWER, NEWER_DIALECT
from .paging import page
from .state import Incident, Operation
from .wire import empty, invalid, json_reply, now, only, refused, text_of

OPERATIONS = "/text/incidents/operations/"


def put(call: Call) -> Reply:
    """Make one, or change what it says."""
    name, held = call.parts["name"], call.state.incidents
    data = only(call.data, "incidentName", "incidentDefinition")
    if data.get("incidentName", name) != name:
        raise invalid("incidentName must be the name in the path.")
    if len(name) > limits.MAX_NAME or not limits.NAME.fullmatch(name):
        raise invalid("incidentName must have letters, digits and inner hyphens only.")
    definition = text_of(data, "incidentDefinition", limits.MAX_DEFINITION)
    is_new = name not in held
    if is_new:
        if len(held) >= limits.MAX_INCIDENTS:
            raise call.assumed("too many incidents", "There are too many incidents.")
        held[name] = Incident(
            name=name, definition=definition, created=now(), updated=now()
        )
    held[name].definition, held[name].updated = definition, now()
    return json_reply(_shown(held[name]), 201 if is_new else 200)


def look(call: Call) -> Reply:
    """One of them."""
    return json_reply(_shown(_find(call)))


def list_all(call: Call) -> Reply:
    """All of them, in pages."""
    held = [one for _, one in sorted(call.state.incidents.items())]
    return page(call, held, _shown, most=call.service.page_size)


def remove(call: Call) -> Reply:
    """At once."""
    del call.state.incidents[_find(call).name]
    return empty(204)


def add(call: Call) -> Reply:
    """Samples, which get ids."""
    incident, sent = _find(call), call.batch("incidentSamples")
    texts = [
        text_of(only(one, "text"), "text", limits.MAX_INCIDENT_SAMPLE) for one in sent
    ]
    if len(incident.samples) + len(texts) > limits.MAX_INCIDENT_SAMPLES:
        raise call.assumed("too many samples", "The incident has too many samples.")
    added = {str(uuid4()): text for text in texts}
    incident.samples |= added
    incident.updated = now()
    return json_reply({"incidentSamples": [_sample(one) for one in added.items()]})


def take(call: Call) -> Reply:
    """Samples away, by their ids."""
    incident = _find(call)
    for id in call.batch("incidentSampleIds"):
        incident.samples.pop(str(id), None)
    incident.updated = now()
    return empty(204)


def samples(call: Call) -> Reply:
    """An incident's samples, in pages."""
    held = list(_find(call).samples.items())
    return page(call, held, _sample, most=call.service.page_size)


def sample(call: Call) -> Reply:
    """One sample."""
    held = _find(call).samples
    if call.parts["id"] not in held:
        raise refused(404, "ResourceNotFound", "There is no such sample.")
    return json_reply(_sample((call.parts["id"], held[call.parts["id"]])))


def deploy(call: Call) -> Reply:
    """Let the samples as they are now be what is detected."""
    incident, id = _find(call), operations.named(call)
    if call.service.refuses:
        operations.must_be_new(call, id)
    call.state.deployments[incident.name] += 1
    call.state.operations[id] = Operation(id=id, kind="deploy", name=incident.name)
    incident.status, incident.polls = "running", 0
    incident.deployed = list(incident.samples.values())
    return operations.accepted(call, OPERATIONS, id)


def operation(call: Call) -> Reply:
    """How far a deployment is: the words of ``script``, as for a build."""
    found = call.state.operations.get(call.parts["id"])
    if found is None or found.kind != "deploy":
        raise call.assumed("no such operation", "There is no such operation.")
    answer: dict[str, Any] = {"id": found.id, "status": "Succeeded"}
    incident = call.state.incidents.get(found.name)
    if incident is not None:
        if incident.status not in ("succeeded", "failed"):
            script = call.service.script
            incident.status = script[min(incident.polls, len(script) - 1)]
            incident.polls += 1
        answer["status"] = NEWER_DIALECT.word(incident.status)
        if incident.status == "failed":
            # Where a build's operation has an error object.
            answer["errorMessage"] = call.service.error[1]
    return json_reply(answer)


def detect(call: Call) -> Reply:
    """Which of the incidents asked for a text belongs to."""
    data = only(call.data, "text", "incidentNames")
    text = text_of(data, "text", limits.MAX_TEXT, shortest=0)
    names = data.get("incidentNames")
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise invalid("incidentNames must be a list of names.")
    matches = [name for name in names if _matches(call, name, text)]
    return json_reply({"incidentMatches": [{"incidentName": name} for name in matches]})


def _matches(call: Call, name: str, text: str) -> bool:
    incident = call.state.incidents.get(name)
    if incident is None:
        raise call.assumed("no such incident", f"There is no incident {name[:64]}.")
    if incident.deployed is None or incident.status != "succeeded":
        raise call.assumed("not deployed", f"{name} is not deployed.")
    if scoring.severity(call.service.words, name, text):
        return True
    folded = text.casefold()
    return any(sample.casefold() in folded for sample in incident.deployed)


def _find(call: Call) -> Incident:
    found = call.state.incidents.get(call.parts["name"])
    if found is None:
        raise call.assumed("no such incident", "There is no such incident.")
    return found


def _shown(incident: Incident) -> dict[str, str]:
    return {
        "incidentName": incident.name,
        "incidentDefinition": incident.definition,
        "created": incident.created,
        "lastUpdated": incident.updated,
    }


def _sample(one: tuple[str, str]) -> dict[str, str]:
    return {"incidentSampleId": one[0], "text": one[1]}


ONE = "/text/incidents/{name}"
ROUTES = [
    route("incidents", "GET", "/text/incidents", NEWER, list_all),
    route("incident operation", "GET", OPERATIONS + "{id}", NEWER, operation),
    route("incident", "PATCH", ONE, NEWER, put),
    route("look at incident", "GET", ONE, NEWER, look),
    route("remove incident", "DELETE", ONE, NEWER, remove),
    route("add samples", "POST", ONE + ":addIncidentSamples", NEWER, add),
    route("remove samples", "POST", ONE + ":removeIncidentSamples", NEWER, take),
    route("samples", "GET", ONE + "/incidentSamples", NEWER, samples),
    route("sample", "GET", ONE + "/incidentSamples/{id}", NEWER, sample),
    route("deploy", "POST", ONE + ":deploy", NEWER, deploy),
    route("detect incidents", "POST", "/text:detectIncidents", NEWER, detect),
]
