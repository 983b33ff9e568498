"""What a provider keeps already becomes a category and versions here.

    survey → adopt

A version that is adopted has a number of ours and the provider's; its samples stay
unknown, and so it has no card. Only what stands still is adopted: what is being built
or deleted there is listed, and waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import F
from django.utils.translation import gettext as _

from ..exceptions import InvalidProvider, ProviderError, RefusedError
from ..models import BuildJob, Category, CategoryVersion, DbNow
from ..providers import Provider, RemoteVersion, providers
from .entries import atomic, log, log_category

Status = CategoryVersion.Status

#: What a version becomes here, by the word of the provider's list.
ADOPTED = {
    "ready": Status.READY,
    "failed": Status.FAILED,
    # Nobody has built it; there are no samples here to do so.
    "frozen": Status.FROZEN,
}
#: A category's name and the provider's version.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A version that the provider keeps, and what it is here."""

    remote: RemoteVersion
    #: The row that it has here; None = none.
    version: CategoryVersion | None = None
    #: Why it can't be adopted; empty where it can, or is here.
    why: str = ""

    @property
    def key(self) -> Key:
        return self.remote.name, self.remote.provider_version

    @property
    def is_adoptable(self) -> bool:
        return self.version is None and not self.why


def listers() -> list[str]:
    """The aliases of providers that say what they keep."""
    found = []
    for alias in providers:
        try:
            provider: Provider = providers[alias]
        except InvalidProvider:
            continue  # A system check says it.
        if provider.can_list:
            found.append(alias)
    return sorted(found)


def survey(alias: str) -> list[Found]:
    """What the provider keeps, by name, each with what it is here. Nothing is stored.

    Raise RefusedError where it can't say, with its reason.
    """
    return _look(alias, _catalog(alias))


def adopt(
    alias: str, chosen: Collection[Key] | None, *, by: str
) -> list[CategoryVersion]:
    """Make rows of the versions chosen, by name and provider's version: all or none.

    None = all that can be. What is here already is left as it is, so asking twice
    changes nothing. Raise RefusedError where the provider doesn't list one of them, or
    it can't be adopted: the message says why.
    """
    # Before the transaction, which has to begin by a write on SQLite.
    wanted = _wanted(alias, survey(alias), chosen)
    with atomic():
        made: list[CategoryVersion] = []
        for name in dict.fromkeys(found.remote.name for found in wanted):
            mine = [found.remote for found in wanted if found.remote.name == name]
            made += _adopt_category(alias, name, mine, by)
    return made


def _catalog(alias: str) -> list[RemoteVersion]:
    try:
        provider: Provider = providers[alias]
        return provider.catalog()
    except (InvalidProvider, ProviderError) as error:
        raise RefusedError(str(error)) from None


def _look(alias: str, catalog: Iterable[RemoteVersion]) -> list[Found]:
    """Four queries, however many versions there are."""
    remotes = sorted(catalog, key=_order)
    rows = CategoryVersion.objects.filter(provider=alias).exclude(provider_version="")
    here = {
        (version.category.name, version.provider_version): version
        for version in rows.exclude(status=Status.DELETED)
        .select_related("category")
        .only("number", "status", "provider_version", "category__name")
    }
    of_ours = {
        category.name: category
        for category in Category.objects.filter(name__in={r.name for r in remotes})
    }
    busy = set(
        BuildJob.objects.filter(
            live_category__isnull=False, version__provider_version=""
        ).values_list("version__category__name", flat=True)
    )
    return [
        Found(
            remote=remote,
            version=here.get((remote.name, remote.provider_version)),
            why=""
            if (remote.name, remote.provider_version) in here
            else _why_not(alias, remote, of_ours.get(remote.name), busy),
        )
        for remote in remotes
    ]


def _order(remote: RemoteVersion) -> tuple[str, int, str]:
    # 10 comes after 9, and what is no number goes by its letters.
    number = remote.provider_version
    return remote.name, int(number) if number.isdecimal() else 0, number


def _why_not(
    alias: str, remote: RemoteVersion, category: Category | None, busy: Collection[str]
) -> str:
    if category is not None and category.provider != alias:
        return _(
            "There is a category of this name here, with the provider %(other)s: give "
            "it the provider %(alias)s, or another name, first."
        ) % {"other": category.provider, "alias": alias}
    if remote.name in busy:
        return _("A version is being registered from here: wait for that build.")
    if not remote.provider_version or len(remote.provider_version) > 64:
        return _("The provider's name of the version can't be stored.")
    if remote.status == "building":
        return _("It is being built there: adopt it when it is ready.")
    if remote.status == "deleting":
        return _("It is being deleted there.")
    if remote.status not in ADOPTED:
        return _("Its status there is none that we know.")
    if category is None:
        return _problem(_new_category(alias, remote))
    if category.is_leaving:
        return _("The category is being deleted here.")
    return ""


def _new_category(alias: str, remote: RemoteVersion) -> Category:
    return Category(name=remote.name, definition=remote.definition, provider=alias)


def _problem(category: Category) -> str:
    """Why there can't be such a category, in words; empty where there can."""
    longest = Category._meta.get_field("definition").max_length or 1000
    if len(category.definition) > longest:
        # Of a TextField's length only forms make sure.
        return _("The definition is longer than %d characters.") % longest
    try:
        category.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def _wanted(
    alias: str, found: list[Found], chosen: Collection[Key] | None
) -> list[Found]:
    if chosen is None:
        return [one for one in found if one.is_adoptable]
    known = {one.key: one for one in found}
    for key in chosen:
        if key not in known:
            raise RefusedError(
                _("The provider %(alias)s has no version %(number)s of %(name)s.")
                % {"alias": alias, "name": key[0], "number": key[1]}
            )
        _refuse_unfit(known[key])
    # In the provider's order: numbers of ours go up with its own.
    return [one for one in found if one.is_adoptable and one.key in set(chosen)]


def _refuse_unfit(found: Found) -> None:
    if found.why:
        name, number = found.key
        raise RefusedError(
            _("%(name)s %(number)s can't be adopted: %(why)s")
            % {"name": name, "number": number, "why": found.why}
        )


def _adopt_category(
    alias: str, name: str, remotes: list[RemoteVersion], by: str
) -> list[CategoryVersion]:
    categories = Category.objects.filter(name=name)
    # A write first: two who adopt the same make one row of it.
    if not categories.update(last_number=F("last_number")):
        try:
            with atomic():
                category = _new_category(alias, remotes[-1])
                category.save(force_insert=True)
        except IntegrityError:
            raise RefusedError(
                _("Somebody made the category %s in the same moment: look again.")
                % name
            ) from None
        log_category("category_adopted", category, by, provider=alias)
    category = categories.get()
    # Once more, now that the category is ours alone: somebody may have been quicker.
    found = _look(alias, remotes)
    for one in found:
        _refuse_unfit(one)
    return [
        _adopt_version(category, one.remote, by) for one in found if one.is_adoptable
    ]


def _adopt_version(
    category: Category, remote: RemoteVersion, by: str
) -> CategoryVersion:
    Category.objects.filter(pk=category.pk).update(last_number=F("last_number") + 1)
    category.refresh_from_db(fields=["last_number"])
    status = ADOPTED[remote.status]
    version = CategoryVersion.objects.create(
        category=category,
        number=category.last_number,
        definition=remote.definition,
        provider=category.provider,
        samples_jsonl=b"",
        samples_sha256="",
        positive_count=0,
        negative_count=0,
        is_adopted=True,
        status=status,
        provider_version=remote.provider_version,
        ready_at=DbNow() if status == Status.READY else None,
        created_by=by,
    )
    log("adopted", version, by, provider_version=remote.provider_version)
    return version
