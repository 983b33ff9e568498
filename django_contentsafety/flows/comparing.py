"""Two versions side by side, on the samples that both were measured on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..engine.frozen import read_frozen
from ..engine.paired import mcnemar
from ..engine.samples import Sample, text_hash
from ..engine.stored_cards import read_card
from ..models import CategoryVersion

#: Texts that a page lists.
LISTED = 100
#: Of a card that names no threshold.
THRESHOLD = 0.5

Kind = Literal["broken", "fixed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """A frozen sample, and the score from a model that had not seen it, or None."""

    text: str
    is_positive: bool
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A text that one of the two versions tells right and the other one wrong."""

    kind: Kind
    text: str
    is_positive: bool
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What changes where ``after`` takes the place of ``before``.

    ``chance`` is the probability of a split of flips at least this uneven between two
    versions that are equally good; None without a flip.
    """

    before_threshold: float
    after_threshold: float
    fixed: int
    broken: int
    both_right: int
    both_wrong: int
    #: Texts of both whose label changed: right and wrong mean two things there.
    relabeled: int
    #: Texts of both that one of the versions has no score of.
    unscored: int
    only_before: int
    only_after: int
    chance: float | None
    #: At most ``LISTED``: first the broken ones, those farthest off at the top.
    flips: tuple[Flip, ...]

    @property
    def compared(self) -> int:
        return self.fixed + self.broken + self.both_right + self.both_wrong


def compare_versions(
    before: CategoryVersion, after: CategoryVersion, *, threshold: float | None = None
) -> Comparison:
    """Compare two versions' held-out scores; nothing is scored anew.

    Each is judged at the threshold of its own card, or both at ``threshold``, 0..1.
    """
    return compare_samples(
        held_out(before),
        held_out(after),
        before_threshold=_threshold(before, threshold),
        after_threshold=_threshold(after, threshold),
    )


def compare_samples(
    before: Mapping[str, HeldOut],
    after: Mapping[str, HeldOut],
    *,
    before_threshold: float,
    after_threshold: float,
) -> Comparison:
    """Compare samples by key; a score at a threshold counts as flagged."""
    counts = dict.fromkeys(
        ("fixed", "broken", "both_right", "both_wrong", "relabeled", "unscored"), 0
    )
    flips = []
    for key in before.keys() & after.keys():
        old, new = before[key], after[key]
        if old.is_positive is not new.is_positive:
            counts["relabeled"] += 1
            continue
        if old.score is None or new.score is None:
            counts["unscored"] += 1
            continue
        was_right = (old.score >= before_threshold) is old.is_positive
        is_right = (new.score >= after_threshold) is new.is_positive
        if was_right is is_right:
            counts["both_right" if is_right else "both_wrong"] += 1
            continue
        kind: Kind = "fixed" if is_right else "broken"
        counts[kind] += 1
        flips.append(
            Flip(
                kind=kind,
                text=new.text,
                is_positive=new.is_positive,
                before=old.score,
                after=new.score,
            )
        )
    chance = mcnemar(counts["fixed"], counts["broken"]) if flips else None
    return Comparison(
        before_threshold=before_threshold,
        after_threshold=after_threshold,
        only_before=len(before.keys() - after.keys()),
        only_after=len(after.keys() - before.keys()),
        chance=chance,
        flips=_worst(flips),
        **counts,
    )


def held_out(version: CategoryVersion) -> dict[str, HeldOut]:
    """The samples of the version's card by the hash of their text."""
    scores = read_card(version.card).scores
    return {
        text_hash(sample.text): HeldOut(
            text=sample.text,
            is_positive=sample.is_positive,
            score=scores[index] if index < len(scores) else None,
        )
        for index, sample in _measured(version).items()
    }


def _measured(version: CategoryVersion) -> dict[int, Sample]:
    return read_frozen(bytes(getattr(version, version.card_column)))


def _threshold(version: CategoryVersion, asked: float | None) -> float:
    if asked is not None:
        return asked
    own = read_card(version.card).threshold
    return THRESHOLD if own is None else own


def _worst(flips: Iterable[Flip]) -> tuple[Flip, ...]:
    def key(flip: Flip) -> tuple[bool, float, str]:
        wrong = flip.after if flip.kind == "broken" else flip.before
        # The text last: the order of a set is another one in each process.
        return flip.kind == "fixed", -abs(wrong - flip.is_positive), flip.text

    return tuple(sorted(flips, key=key)[:LISTED])
