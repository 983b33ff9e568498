"""What the service knows: plain data that outlives the object that serves it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Version:
    """One version of a custom category."""

    name: str
    number: int
    definition: str
    blob_url: str
    #: Where the service keeps its copy of the samples.
    copy_url: str
    created: str
    #: As they were when the version was made: a later upload changes nothing.
    samples: bytes = field(repr=False)
    #: A word of the script, or "registered", "deleting", "delete_failed".
    status: str = "registered"
    #: Looks since the build or the deletion began.
    polls: int = 0
    removing: bool = False
    build_triggered: str = ""
    delete_triggered: str = ""
    #: Code and message of what went wrong last.
    error: tuple[str, str] = ("", "")

    @property
    def key(self) -> str:
        """As the counters have it."""
        return f"{self.name}/{self.number}"


@dataclass(slots=True, kw_only=True)
class Operation:
    """Something that takes its time, asked for by its id."""

    id: str
    #: "build", "remove" or "deploy".
    kind: str
    #: The category's or the incident's name.
    name: str
    #: The category's version; None = all of them.
    number: int | None = None


@dataclass(slots=True, kw_only=True)
class Incident:
    """A custom category (rapid): samples, and nothing to train."""

    name: str
    definition: str
    created: str
    updated: str
    #: By id.
    samples: dict[str, str] = field(default_factory=dict)
    #: The texts it detects; None = never deployed.
    deployed: list[str] | None = None
    status: str = "registered"
    polls: int = 0


@dataclass(slots=True, kw_only=True)
class Item:
    """A term of a blocklist."""

    id: str
    text: str
    description: str = ""
    #: From when on it is looked for, on the service's clock.
    since: float = 0.0


@dataclass(slots=True, kw_only=True)
class Blocklist:
    """Terms, by id."""

    name: str
    description: str = ""
    items: dict[str, Item] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class State:
    """Pass it to another ``AzureService``, and the service was only restarted.

    ``registrations`` (by name), ``builds`` and ``removals`` (by "name/number"),
    ``deployments`` (by incident) count what was really begun; ``started`` has the ids
    of the builds in order.
    """

    versions: dict[str, dict[int, Version]] = field(default_factory=dict)
    #: The highest number that was ever given, by category.
    numbers: Counter[str] = field(default_factory=Counter)
    operations: dict[str, Operation] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    blocklists: dict[str, Blocklist] = field(default_factory=dict)
    registrations: Counter[str] = field(default_factory=Counter)
    builds: Counter[str] = field(default_factory=Counter)
    removals: Counter[str] = field(default_factory=Counter)
    deployments: Counter[str] = field(default_factory=Counter)
    started: list[str] = field(default_factory=list)
    #: By step.
    calls: Counter[str] = field(default_factory=Counter)
