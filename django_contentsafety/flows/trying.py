"""A text is tried on a category, before anybody relies on it. Nothing is stored.

Where a provider is asked over the network its quota and breaker are as for any text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from ..decisions import Decision
from ..engine.stored_cards import read_metrics
from ..exceptions import InvalidProvider, ProviderError
from ..http import within
from ..models import Category, CategoryVersion, Policy
from ..providers import Provider, providers
from ..verdicts import CategoryScore, Span, Verdict
from .calls import analyze
from .plans import Plan, ProviderSource, Source, load_plans, reference

#: The longest text that is tried, in characters: as much as a page shows.
MAX_CHARS = 20_000
#: The newest ready versions that are asked; the active one is asked in any case.
VERSIONS = 10
#: Seconds that whoever tries it waits for providers on the network, all together.
SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTrial:
    """What one version says."""

    version: CategoryVersion
    is_active: bool
    #: Both None where it could not be asked, and ``problem`` says why.
    score: CategoryScore | None = None
    #: From this score on it says "detected"; None where its card names none.
    threshold: float | None = None
    spans: tuple[Span, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTrial:
    """What one policy would decide."""

    slug: str
    mode: str
    #: None where it could not be decided, and ``problem`` says why.
    decision: Decision | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of a text."""

    versions: list[VersionTrial] = field(default_factory=list)
    policies: list[PolicyTrial] = field(default_factory=list)


def try_text(category: Category, text: str, *, remote: bool = False) -> Trial:
    """Ask each ready version, and each policy that names the category as it stands.

    Without ``remote`` only providers in this process are asked. Never raises for what
    a provider does: what went wrong is said in words, without the text.
    """
    with within(SECONDS):
        return Trial(
            versions=[
                _try_version(category, version, text, remote)
                for version in ready_versions(category)
            ],
            policies=_try_policies(category, text, remote),
        )


def ready_versions(category: Category) -> list[CategoryVersion]:
    """Those that can be tried: the active one, then the newest."""
    ready = category.versions.filter(status=CategoryVersion.Status.READY)
    rows = ready.select_related("category").defer(*CategoryVersion.BLOBS)
    newest = list(rows.order_by("-number")[:VERSIONS])
    active = [row for row in newest if row.pk == category.active_version_id]
    if not active:
        active = list(rows.filter(pk=category.active_version_id or 0))
    return [*active, *(row for row in newest if row not in active)]


def remote_providers(category: Category) -> list[str]:
    """The aliases that trying would ask over the network, if it may."""
    plans = load_plans(_naming(category))
    aliases = {version.provider for version in ready_versions(category)}
    for plan in plans.values():
        aliases |= {s.name for s in plan.sources if isinstance(s, ProviderSource)}
    return sorted(
        alias
        for alias in aliases
        if alias in providers and not providers[alias].in_process
    )


def _try_version(
    category: Category, version: CategoryVersion, text: str, remote: bool
) -> VersionTrial:
    is_active = version.pk == category.active_version_id
    try:
        provider: Provider = providers[version.provider]
    except InvalidProvider as error:
        return VersionTrial(version=version, is_active=is_active, problem=str(error))
    problem = _why_not(provider, text, remote)
    verdict: Verdict | None = None
    if not problem:
        asked = reference(
            version.pk, category.name, version.number, version.provider_version
        )
        (answer,) = analyze(provider, [text], [asked])
        if isinstance(answer, Verdict):
            verdict = answer
        else:
            problem = _describe(answer, provider.alias)
    return VersionTrial(
        version=version,
        is_active=is_active,
        score=verdict.score_for(category.name) if verdict else None,
        threshold=read_metrics(version.card).threshold,
        spans=verdict.spans if verdict else (),
        problem=problem,
    )


def _try_policies(category: Category, text: str, remote: bool) -> list[PolicyTrial]:
    slugs = _naming(category)
    modes = Policy.objects.filter(slug__in=slugs).values_list("slug", "mode")
    plans = load_plans(slugs)
    return [
        _try_policy(plans[slug], text, remote)
        if slug in plans
        else PolicyTrial(
            slug=slug, mode=mode, problem=_("It is off: it decides nothing.")
        )
        for slug, mode in sorted(modes)
    ]


def _try_policy(plan: Plan, text: str, remote: bool) -> PolicyTrial:
    problem = plan.problem
    verdicts: dict[str, Verdict] = {}
    while not problem and (source := plan.next_source(verdicts)) is not None:
        problem = (
            ""
            if not isinstance(source, ProviderSource)
            else _why_not(providers[source.name], text, remote)
        )
        if not problem:
            problem = _ask(source, text, verdicts)
    return PolicyTrial(
        slug=plan.slug,
        mode=plan.mode,
        decision=None if problem else plan.decide(verdicts),
        problem=problem,
    )


def _ask(source: Source, text: str, verdicts: dict[str, Verdict]) -> str:
    (answer,) = source.answer([text])
    if isinstance(answer, Verdict):
        verdicts[source.name] = answer
        return ""
    return _describe(answer, source.name)


def _why_not(provider: Provider, text: str, remote: bool) -> str:
    if not provider.in_process and not remote:
        return _("The provider %s was not asked: that costs a request.") % (
            provider.alias
        )
    longest = provider.max_text_length
    if longest is not None and len(text) > longest:
        return _("The provider %(alias)s takes at most %(longest)d characters.") % {
            "alias": provider.alias,
            "longest": longest,
        }
    return ""


def _describe(error: Exception, alias: str) -> str:
    if isinstance(error, ProviderError):
        return _("The provider %(alias)s gave no answer: %(error)s") % {
            "alias": alias,
            "error": error,
        }
    # Another exception's message may quote the text.
    words = _("The provider %(alias)s failed: an error in the software (%(kind)s).")
    return words % {"alias": alias, "kind": type(error).__name__}


def _naming(category: Category) -> Sequence[str]:
    named = Policy.objects.filter(rules__category=category.name).distinct()
    return list(named.order_by("slug").values_list("slug", flat=True))
