"""What a provider is: its flags, its answers, and how it builds a version.

A provider knows no models: a flow hands it values and gets ``Verdict``s back.
Constructors do no I/O: checks build every provider at start-up, before a server forks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django.core.checks import CheckMessage
from django.utils.translation import gettext as _

from ..exceptions import UnsupportedFeature
from ..verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomCategory:
    """A reference to one built version of a site's category."""

    name: str
    #: Our number.
    version: int
    #: The provider's own number or name of it.
    provider_version: str = ""
    #: Fetches the artifact; called only where it isn't loaded yet.
    load: Callable[[], bytes] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many requests a provider allows, over all our processes together."""

    #: Requests a second.
    rate: float
    #: Requests at once.
    burst: int = 1
    #: Requests a calendar month (UTC); None = any.
    per_month: int | None = None


#: What is asked of ``analyze``: a harm category's name or a reference.
Asked = str | CustomCategory


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """All a provider needs to build a version."""

    name: str
    version: int
    definition: str
    #: The frozen JSONL.
    samples: bytes = field(repr=False)
    #: Ours, stored before the provider hears of it: the idempotency key.
    operation_id: str
    #: When this build was asked for, of the version's several. None = nobody knows.
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildState:
    """What one poll found."""

    #: "running", "succeeded" or "failed".
    status: str
    #: The provider's own word.
    raw_status: str = ""
    phase: str = ""
    #: 0 to 1.
    fraction: float = 0.0
    artifact: bytes | None = field(default=None, repr=False)
    card: dict[str, Any] | None = field(default=None, repr=False)
    #: Why it failed and what to do.
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalRequest:
    """All a provider needs to delete a version of its own."""

    name: str
    version: int
    #: The provider's own number or name of it; empty where it never told us.
    provider_version: str
    #: Ours, one a try, stored before the provider hears of it: the idempotency key.
    removal_id: str
    #: Of the frozen JSONL, whose copies are to be deleted as well; empty where it was
    #: never ours.
    samples_sha256: str = ""
    #: Where the category goes: the provider's numbers or names of all its versions,
    #: this one's among them. A provider that keeps nothing else of it may delete it
    #: whole; the deletion of each is asked for all the same.
    category_goes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalState:
    """How far a deletion is."""

    #: "running", "gone" or "failed".
    status: str
    #: The provider's own word.
    raw_status: str = ""
    #: Why it failed and what to do.
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteVersion:
    """A version that a provider keeps, as it lists it; ours or anybody's."""

    #: The category's name there, which may be none that we allow.
    name: str
    #: The provider's own number or name of the version.
    provider_version: str
    definition: str = ""
    #: One of our words for how it stands there: "frozen" (nobody has built it),
    #: "building", "ready", "failed", "deleting" or "delete_failed"; empty = a word that
    #: we don't know.
    status: str = ""
    #: The provider's own word.
    raw_status: str = ""
    #: When it was made, as the provider writes it; empty = it doesn't say.
    created: str = ""


#: Called with (phase, fraction from 0 to 1).
Progress = Callable[[str, float], None]


class Provider:
    """Base class. Options arrive as keywords; unknown ones are refused by alias."""

    #: Answers without leaving this process, so an inline drain may wait for it.
    in_process: ClassVar[bool] = False
    #: The built-in categories it answers.
    harm_categories: ClassVar[frozenset[str]] = frozenset()
    #: The scales of its answers about those.
    harm_scales: ClassVar[frozenset[str]] = frozenset()
    #: The scales of its answers about custom categories; empty = it has none.
    custom_scales: ClassVar[frozenset[str]] = frozenset()
    #: Whether it builds versions of custom categories.
    can_build: ClassVar[bool] = False
    #: Whether it says which versions it keeps.
    can_list: ClassVar[bool] = False
    #: The longest text of one request in code points; None = any.
    max_text_length: ClassVar[int | None] = None
    #: The most texts of one ``analyze``; None = any. A batch goes out in parts of it.
    batch_size: ClassVar[int | None] = None
    #: Parts that one process sends at the same time.
    concurrency: ClassVar[int] = 8
    #: Positive and negative samples below which it refuses to build.
    min_samples: ClassVar[tuple[int, int]] = (0, 0)

    def __init__(self, alias: str) -> None:
        self.alias = alias

    @property
    def credential(self) -> str:
        """A fingerprint of whom the provider counts by; empty = nobody."""
        return ""

    @property
    def limits(self) -> Mapping[str, Limit]:
        """Its quota by feature, a group of endpoints with one limit; empty = none."""
        return {}

    def cost(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> Mapping[str, int]:
        """How many requests ``analyze`` makes of each feature. No I/O."""
        return {}

    def analyze(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> list[Verdict]:
        """One verdict a text, in order, with a score for each of ``categories``.

        Raise a ProviderError where it can't be had; never answer by a guess.
        """
        raise UnsupportedFeature(
            f"{type(self).__name__} can't analyze texts.", alias=self.alias
        )

    def lacks(self, positives: int, negatives: int, size: int) -> list[str]:
        """What samples lack before it builds from them, in words; empty = nothing.

        ``size`` is that of the frozen JSONL in bytes. No I/O.
        """
        lacking = []
        for have, need, kind in zip(
            (positives, negatives),
            self.min_samples,
            (_("positive"), _("negative")),
            strict=True,
        ):
            if have < need:
                lacking.append(
                    _(
                        "Too few samples: the provider %(alias)s needs at least "
                        "%(need)d %(kind)s ones, there are %(have)d. Add %(more)d "
                        "more."
                    )
                    % {
                        "alias": self.alias,
                        "need": need,
                        "kind": kind,
                        "have": have,
                        "more": need - have,
                    }
                )
        if not positives and not lacking:
            lacking.append(_("There are no positive samples: add some first."))
        return lacking

    def register(self, request: BuildRequest) -> str:
        """Make the version known; return the provider's own number or name of it.

        Called again after a crash: ask before acting twice. Raise SlotsFull where the
        provider keeps no further version, and Conflict where it only has to end
        something else first: the step is tried again within minutes.
        """
        raise UnsupportedFeature(
            f"{type(self).__name__} can't build categories.", alias=self.alias
        )

    def submit(self, request: BuildRequest, provider_version: str) -> None:
        """Start the build. Called again after a crash: ask before acting twice.

        Raise Conflict where another build has to end first, SlotsFull as ``register``.
        """
        raise UnsupportedFeature(
            f"{type(self).__name__} can't build categories.", alias=self.alias
        )

    def poll(
        self, request: BuildRequest, provider_version: str, progress: Progress
    ) -> BuildState:
        """Where the build stands. An in-process provider does the work here."""
        raise UnsupportedFeature(
            f"{type(self).__name__} can't build categories.", alias=self.alias
        )

    def adopt(self, request: BuildRequest, artifact: bytes) -> str:
        """Take over a version that was built on another site, by its artifact.

        Return the provider's own name of it. Raise UnsupportedFeature where its
        versions live elsewhere, BuildFailed where it can't use this artifact. No I/O.
        """
        raise UnsupportedFeature(
            _("The provider %s takes over no version that was built elsewhere.")
            % self.alias,
            alias=self.alias,
        )

    def remove(self, request: RemovalRequest) -> None:
        """Begin to delete a version. Called again after a crash: ask before acting
        twice. What is not there (any more) is no error.
        """
        if not self.in_process:
            raise UnsupportedFeature(
                f"{type(self).__name__} can't delete versions.", alias=self.alias
            )

    def removal(self, request: RemovalRequest) -> RemovalState:
        """How far the deletion is; called after ``remove``, until it has an end.

        A provider in this process keeps nothing: the version is gone with its row.
        """
        return RemovalState(status="gone")

    def catalog(self) -> list[RemoteVersion]:
        """Every version that the provider keeps, of each category, all pages of them.

        All or nothing: raise a ProviderError where a part can't be had. What is not
        in it is taken for gone.
        """
        raise UnsupportedFeature(
            _("The provider %s can't say which versions it keeps.") % self.alias,
            alias=self.alias,
        )

    def check(self) -> list[CheckMessage]:
        """System checks of this provider's own configuration. No I/O."""
        return []
