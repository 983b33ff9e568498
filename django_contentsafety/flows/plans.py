"""A policy's plan: what its rules ask of whom, in which order."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from django.db.models import F, Prefetch
from django.utils.translation import gettext as _

from ..decisions import Decision, Rule, decide, is_unsure
from ..engine.terms import TermMatcher
from ..models import Blocklist, CategoryVersion, Policy
from ..providers import CustomCategory, providers
from ..providers.base import Asked
from ..verdicts import BlocklistHit, HarmCategory, Span, Verdict
from .asking import Answer, Keep
from .calls import analyze, room

#: The name under which all blocklists answer; no provider may have it as its alias.
BLOCKLISTS = "blocklists"

#: Milliseconds an inline drain may take where every source is in-process (DESIGN §5).
INLINE_MS = 300


class Blocklists:
    """The policy's blocklists as one source; they cost nothing, so they come first."""

    name = BLOCKLISTS
    only_if_unsure = False
    in_process = True

    def __init__(self, lists: Iterable[Blocklist]) -> None:
        self._items = {
            item.term: (blocklist.name, item.decision)
            for blocklist in lists
            for item in blocklist.items.all()
        }
        self._matcher = TermMatcher(list(self._items))

    def room(self, *, bulk: bool = False) -> int | None:
        return None

    def answer(
        self, texts: Sequence[str], *, bulk: bool = False, keep: Keep | None = None
    ) -> list[Answer]:
        return [Verdict(source=self.name, hits=self._hits(text)) for text in texts]

    def _hits(self, text: str) -> tuple[BlocklistHit, ...]:
        hits = [
            BlocklistHit(
                blocklist=self._items[hit.term][0],
                term=hit.term,
                decision=self._items[hit.term][1],
                span=Span(field="", start=hit.start, end=hit.end),
            )
            for hit in self._matcher.find(text)
        ]
        allowed = [hit.span for hit in hits if hit.decision == "allow"]
        return tuple(
            hit
            for hit in hits
            if hit.decision != "allow"
            # An allowed term cancels what it covers: "Scunthorpe".
            and not any(
                a.start <= hit.span.start and hit.span.end <= a.end for a in allowed
            )
        )


class ProviderSource:
    """One provider, asked about all the categories that a policy's rules name."""

    def __init__(
        self, alias: str, policy: str, categories: Sequence[Asked], unsure: bool
    ) -> None:
        self.name = alias
        self.policy = policy
        self.categories = tuple(categories)
        self.only_if_unsure = unsure

    @property
    def in_process(self) -> bool:
        return bool(providers[self.name].in_process)

    def room(self, *, bulk: bool = False) -> int | None:
        """How many texts may be sent now; None = any."""
        provider = providers[self.name]
        return room(provider, self.categories, policy=self.policy, bulk=bulk)

    def answer(
        self, texts: Sequence[str], *, bulk: bool = False, keep: Keep | None = None
    ) -> list[Answer]:
        """A verdict for each text, or why there is none. Raises nothing.

        ``bulk`` is as in ``calls.analyze``, and so is ``keep``.
        """
        started = time.monotonic()
        answers = analyze(
            providers[self.name],
            texts,
            self.categories,
            policy=self.policy,
            bulk=bulk,
            keep=keep,
        )
        latency = round((time.monotonic() - started) * 1000 / max(len(texts), 1))
        return [
            replace(answer, latency_ms=latency)
            if isinstance(answer, Verdict)
            else answer
            for answer in answers
        ]


Source = Blocklists | ProviderSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A policy as it stands: all that is needed to answer a text."""

    slug: str
    mode: str
    version: int
    rules: tuple[Rule, ...]
    sources: tuple[Source, ...]
    stop_on_block: bool
    inline_ms: int
    #: Why nothing can be decided, in words for the admin; empty where it can.
    problem: str = ""

    def decide(self, verdicts: Mapping[str, Verdict]) -> Decision:
        """The decision on what has been asked; sources that were skipped don't count.

        A source is skipped where it is ``only_if_unsure`` and nobody was unsure, or
        where another one blocked.
        """
        asked = [rule for rule in self.rules if rule.provider in verdicts]
        return decide(asked, verdicts)

    def is_current(self, verdict: Verdict) -> bool:
        """Whether a stored answer came from the versions that are active now."""
        active = {
            asked.name: asked.version
            for source in self.sources
            if isinstance(source, ProviderSource)
            for asked in source.categories
            if not isinstance(asked, str)
        }
        return all(
            active.get(name, number) == number
            for name, number in verdict.versions.items()
        )

    def can_use(self, verdict: Verdict) -> bool:
        """Whether a stored answer is current, and says all that is asked now."""
        return self.is_current(verdict) and all(
            verdict.score_for(asked if isinstance(asked, str) else asked.name)
            for source in self.sources
            if isinstance(source, ProviderSource) and source.name == verdict.source
            for asked in source.categories
        )

    def room(self, *, bulk: bool = False) -> int | None:
        """How many texts can be asked about now; None = any.

        A source that is only asked where another is unsure holds nobody back.
        """
        rooms = [
            source.room(bulk=bulk)
            for source in self.sources
            if not source.only_if_unsure
        ]
        return min((room for room in rooms if room is not None), default=None)

    def next_source(self, verdicts: Mapping[str, Verdict]) -> Source | None:
        """Whom to ask next, or None where the decision can fall."""
        if self.stop_on_block and self.decide(verdicts).is_blocked:
            return None
        for source in self.sources:
            if source.name in verdicts:
                continue
            if source.only_if_unsure and not is_unsure(self.rules, verdicts):
                continue
            return source
        return None


def load_plans(
    slugs: Collection[str] | None = None,
    *,
    versions: Iterable[CustomCategory] = (),
) -> dict[str, Plan]:
    """The plans of all policies (or those named) that are not off.

    ``versions`` stand for the active ones of their categories.
    """
    policies = Policy.objects.exclude(mode=Policy.Mode.OFF).prefetch_related(
        "rules", Prefetch("blocklists", Blocklist.objects.prefetch_related("items"))
    )
    if slugs is not None:
        policies = policies.filter(slug__in=list(slugs))
    found = list(policies)
    named = {rule.category for policy in found for rule in policy.rules.all()}
    references = _references(named - set(HarmCategory.values))
    references |= {version.name: version for version in versions}
    return {policy.slug: _plan(policy, references) for policy in found}


def load_plan(slug: str) -> Plan | None:
    """One policy's plan; None where there is none or it is off."""
    return load_plans([slug]).get(slug)


def explain_problem(policy: Policy) -> str:
    """Why ``policy`` can't decide anything, in words, whatever its mode; empty where
    it can."""
    named = set(policy.rules.values_list("category", flat=True))
    return _plan(policy, _references(named - set(HarmCategory.values))).problem


def _plan(policy: Policy, references: Mapping[str, CustomCategory]) -> Plan:
    rules = tuple(rule.as_rule() for rule in policy.rules.all())
    sources: list[Source] = []
    if policy.blocklists.all():
        sources.append(Blocklists(policy.blocklists.all()))
    missing = [
        rule.category
        for rule in rules
        if rule.category not in HarmCategory.values and rule.category not in references
    ]
    gone = sorted({rule.provider for rule in rules if rule.provider not in providers})
    by_provider = groupby(sorted(rules, key=_provider), key=_provider)
    asked = [
        ProviderSource(
            alias,
            policy.slug,
            [references.get(r.category, r.category) for r in group],
            all(r.only_if_unsure for r in group),
        )
        for alias, group in ((alias, list(rs)) for alias, rs in by_provider)
    ]
    sources += sorted(asked, key=lambda source: source.only_if_unsure)
    conditional = [source for source in asked if source.only_if_unsure]
    if not sources:
        problem = _("It has no rules and no blocklists.")
    elif missing:
        problem = _("No version is active of: %s.") % ", ".join(sorted(missing))
    elif gone:
        problem = _("CONTENTSAFETY_PROVIDERS lacks: %s.") % ", ".join(gone)
    elif conditional and len(conditional) == len(asked):
        # Nobody could be unsure, so nobody would be asked, and everything allowed.
        problem = _("Every rule is “only if unsure”: one provider must come first.")
    else:
        problem = ""
    inline_ms = policy.inline_ms
    if inline_ms is None:
        ready = not problem and all(source.in_process for source in sources)
        inline_ms = INLINE_MS if ready else 0
    return Plan(
        slug=policy.slug,
        mode=policy.mode,
        version=policy.version,
        rules=rules,
        sources=tuple(sources),
        stop_on_block=policy.stop_on_block,
        inline_ms=inline_ms,
        problem=problem,
    )


def _provider(rule: Rule) -> str:
    return rule.provider


def _references(names: Collection[str]) -> dict[str, CustomCategory]:
    """References to the active versions of the named categories."""
    if not names:
        return {}
    versions = CategoryVersion.objects.filter(
        category__name__in=names, category__active_version=F("pk")
    ).values_list("pk", "category__name", "number", "provider_version")
    return {
        name: reference(pk, name, number, provider_version)
        for pk, name, number, provider_version in versions
    }


def reference(pk: int, name: str, number: int, provider_version: str) -> CustomCategory:
    """A version as providers see it; its artifact is read only where it is needed."""

    def load() -> bytes:
        artifact = CategoryVersion.objects.values_list("artifact", flat=True).get(pk=pk)
        return bytes(artifact or b"")

    return CustomCategory(
        name=name, version=number, provider_version=provider_version, load=load
    )
