"""A version goes out of use, or comes back: each is asked about, with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponseRedirect
from django.utils.translation import gettext as _

from .. import tasks
from ..flows import removing
from ..forms import ReasonForm
from ..models import Category, CategoryVersion
from .base import Response, actor

if TYPE_CHECKING:
    from .base import SafetyAdmin


def retire(
    admin: SafetyAdmin[CategoryVersion], request: HttpRequest, version: CategoryVersion
) -> Response:
    """Ask, then take the version out of use."""
    return _ask_why(
        admin,
        request,
        version,
        removing.retire,
        title=_("Retire %s?"),
        consequence=_(
            "It can't be activated any more, nor rolled back to. Its samples, its card "
            "and what it learned are kept: it can be reinstated."
        ),
        button=_("Yes, retire it"),
        done=_("%s is retired."),
    )


def reinstate(
    admin: SafetyAdmin[CategoryVersion], request: HttpRequest, version: CategoryVersion
) -> Response:
    """Ask, then let a retired version be chosen again."""
    return _ask_why(
        admin,
        request,
        version,
        removing.reinstate,
        title=_("Reinstate %s?"),
        consequence=_("It can be activated again. What answers now does not change."),
        button=_("Yes, reinstate it"),
        done=_("%s is ready again."),
    )


def delete(
    admin: SafetyAdmin[CategoryVersion], request: HttpRequest, version: CategoryVersion
) -> Response:
    """Ask, then delete what the provider keeps of the version."""
    return _ask_why(
        admin,
        request,
        version,
        _delete,
        title=_("Delete %s?"),
        consequence=_(
            "What the provider has learned from it is deleted for good, which may take "
            "a while, and then its frozen samples. Its number is not used again; its "
            "card and the log stay. To be able to come back, retire it instead."
        ),
        button=_("Yes, delete it"),
        done=_("%s is being deleted, or is gone already."),
    )


def delete_here(
    admin: SafetyAdmin[CategoryVersion], request: HttpRequest, version: CategoryVersion
) -> Response:
    """Ask, then delete a version whose provider failed to, and may keep its copy."""
    return _ask_why(
        admin,
        request,
        version,
        removing.delete_here,
        title=_("Delete %s here only?"),
        consequence=_(
            "Its provider failed to delete it and may keep its copy; here what was "
            "learned and the frozen samples are deleted for good. Do this where the "
            "service was closed or has left the settings; else delete it once more."
        ),
        button=_("Yes, delete it here only"),
        done=_("%s is deleted here."),
    )


def _delete(version: CategoryVersion, *, by: str, reason: str) -> None:
    removing.delete(version, by=by, reason=reason)
    tasks.wake_removal(version.pk)


def _ask_why(
    admin: SafetyAdmin[CategoryVersion],
    request: HttpRequest,
    version: CategoryVersion,
    act: Callable[..., None],
    *,
    title: str,
    consequence: str,
    button: str,
    done: str,
) -> Response:
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        act(version, by=actor(request), reason=form.cleaned_data["reason"])
        admin.say(request, done % version)
        return _back(admin, version)
    return admin.render(
        request,
        "confirm.html",
        version,
        title=title % version,
        consequence=consequence,
        button=button,
        reasons=form,
    )


def _back(admin: SafetyAdmin[CategoryVersion], version: CategoryVersion) -> Response:
    if CategoryVersion.objects.filter(pk=version.pk).exists():
        return admin.back_to(version)
    # It was the last one of a category that was to go.
    return HttpResponseRedirect(admin.url("changelist", opts=Category._meta))
