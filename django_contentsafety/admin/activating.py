"""The page that leads to a version's activation, and the button back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from ..exceptions import RefusedError
from ..flows import build
from ..flows.activating import Shortfall, previous_version, shortfalls
from ..flows.naming import policies_naming
from ..flows.plans import reference
from ..forms import ReasonForm
from ..models import Category, CategoryVersion
from .base import Response, Tool, actor
from .cards import METRICS, describe_card
from .earlier import Choices

if TYPE_CHECKING:
    from .base import SafetyAdmin

OVERRIDE = "contentsafety.override_bar"
Ready = CategoryVersion.Status.READY


def answer(
    admin: SafetyAdmin[CategoryVersion],
    request: HttpRequest,
    version: CategoryVersion,
) -> Response:
    """Ask whether to activate, and which texts it concerns; then do it."""
    category = version.category
    policies = policies_naming(category.name)
    short = shortfalls(version)
    may_override = request.user.has_perm(OVERRIDE)
    candidate = reference(
        version.pk, category.name, version.number, version.provider_version
    )
    choices = Choices(request, policies, versions=[candidate])
    reasons = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and choices.form.is_valid() and reasons.is_valid():
        reason = reasons.cleaned_data["reason"]
        if not (short and may_override) or reason:
            done = _activate(request, version, reason, bool(short and may_override))
            try:
                more = choices.carry_out(actor(request))
            except RefusedError:
                # Only the round is refused: the version answers all the same.
                admin.say(request, done)
                raise
            admin.say(request, f"{done} {more}".strip())
            return admin.back_to(version)
        reasons.add_error("reason", _("Say why it is activated below the bar."))
    before = _active(category)
    goes_back = before is not None and version.number < before.number
    title = _("Roll back to %s?") if goes_back else _("Activate %s?")
    return admin.render(
        request,
        "activate.html",
        version,
        title=title % version,
        version=version,
        is_ready=version.status == Ready,
        is_active=before is not None and before.pk == version.pk,
        goes_back=goes_back,
        before=before,
        policies=policies,
        card=describe_card(version.card),
        short=[_describe(shortfall) for shortfall in short],
        may_override=may_override,
        is_barred=bool(short) and not may_override,
        reasons=reasons,
        **choices.context(),
    )


def roll_back_button(
    admin: SafetyAdmin[CategoryVersion], request: HttpRequest, category: Category
) -> list[dict[str, Any]]:
    """One click to what answered before, where there is such a version."""
    tool = next(tool for tool in admin.tools if tool.name == "activate")
    if not (category.active_version_id and admin.has_tool_permission(request, tool)):
        return []
    active, previous = _active(category), previous_version(category)
    if active is None or previous is None:
        return []
    words = (
        _("Roll back to v%d")
        if previous.number < active.number
        else _("Go back to v%d")
    )
    label = words % previous.number
    shown = Tool(
        name="roll_back", label=label, permission=tool.permission, post_only=False
    )
    return [{"tool": shown, "url": admin.url("activate", previous)}]


def _activate(
    request: HttpRequest, version: CategoryVersion, reason: str, overrides: bool
) -> str:
    # A reason alone overrides nothing: the permission does.
    given = {"override_reason" if overrides else "reason": reason}
    build.activate(version, by=actor(request), **given)
    return _("%s answers from now on.") % version


def _active(category: Category) -> CategoryVersion | None:
    versions = CategoryVersion.objects.only("number")
    return versions.filter(pk=category.active_version_id or 0).first()


def _describe(short: Shortfall) -> dict[str, str]:
    metric = short.name.removesuffix("_low")
    label = str(METRICS[metric][0]) if metric in METRICS else short.name
    if short.name.endswith("_low"):
        label = _("%s, the lower end of its interval") % label
    missing = short.value is None
    return {
        "label": label,
        "value": _("not on the card") if missing else f"{short.value:.3g}",
        "least": f"{short.least:g}",
        "lacks": "–" if short.value is None else f"{short.least - short.value:.2g}",
    }
