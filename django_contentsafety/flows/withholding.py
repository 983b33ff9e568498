"""Which samples a remote provider never sees, so that its versions can be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..conf import settings
from ..engine.samples import Sample, write_jsonl
from ..engine.withheld import choose_withheld
from ..models import CategoryVersion
from ..providers import Provider

Why = CategoryVersion.WithheldWhy


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Samples parted in what is sent and what is kept back."""

    sent: list[Sample]
    withheld: list[Sample]
    #: Why none are, one of ``WithheldWhy``; empty where the provider is here and makes
    #: the card itself.
    why: str = ""


def withhold(samples: Sequence[Sample], provider: Provider) -> Withheld:
    """Part the samples of a version; none are withheld where that would keep the
    provider from building."""
    everything = list(samples)
    if provider.in_process:
        return Withheld(sent=everything, withheld=[])
    if not settings.WITHHELD_SHARE:
        return Withheld(sent=everything, withheld=[], why=Why.OFF)
    chosen = choose_withheld(
        [sample.text for sample in everything],
        [sample.is_positive for sample in everything],
        settings.WITHHELD_SHARE,
    )
    if not chosen:
        return Withheld(sent=everything, withheld=[], why=Why.FEW)
    sent = [s for index, s in enumerate(everything) if index not in chosen]
    positives = sum(sample.is_positive for sample in sent)
    size = len(write_jsonl(sent))
    if provider.lacks(positives, len(sent) - positives, size):
        return Withheld(sent=everything, withheld=[], why=Why.NEEDS)
    kept = [s for index, s in enumerate(everything) if index in chosen]
    return Withheld(sent=sent, withheld=kept)
