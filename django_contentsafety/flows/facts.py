"""What a promise says of itself when it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

#: Within so long a sweep has been there: cron's minute and a long tick, with room. A
#: sweeper that dies is so noticed within five minutes (reliability.md §8, 27).
SWEEP_WITHIN = timedelta(seconds=240)

Unit = Literal["count", "seconds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One promise as it stands now."""

    #: Fit for a metric: lower case and underscores.
    name: str
    ok: bool
    #: None = it can't be said.
    value: float | None
    #: For a person: what was found and, where it fails, what to do.
    words: str
    unit: Unit = "count"
    #: The alias it is about; empty = the site.
    database: str = ""
