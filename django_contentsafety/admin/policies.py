"""Policies: their rules, what readers see meanwhile, and the switch to live."""

from __future__ import annotations

from dataclasses import asdict
from functools import partialmethod
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import router, transaction
from django.db.models import Count, ManyToManyField
from django.forms import CheckboxSelectMultiple
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _, gettext_lazy

from .. import tasks
from ..flows import upkeep
from ..flows.plans import explain_problem, load_plans
from ..flows.policies import (
    record_change,
    switch_mode,
    was_used,
    would_have_hidden,
)
from ..forms import RuleForm, suggestions
from ..models import LogEntry, Policy, PolicyRule
from .base import Response, RowsInline, SafetyAdmin, Tool, actor
from .display import badge
from .earlier import Choices, call_off, running_rounds

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Mode = Policy.Mode
#: What of a policy decides; the rest says what readers see meanwhile.
DECIDING = frozenset({"rules", "blocklists", "stop_on_block"})


class RuleInline(RowsInline[PolicyRule, Policy]):
    model = PolicyRule
    form = RuleForm

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj is not None and obj.rules.exists() else 1


def mode_tool(mode: Mode, label: StrOrPromise) -> Tool:
    def is_another(policy: Policy) -> bool:
        return policy.mode != mode

    return Tool(
        name=mode.value,
        label=label,
        permission="contentsafety.change_policy",
        post_only=False,
        fits=is_another,
    )


class PolicyChangeList(ChangeList):
    """Says of every policy on the page why it can't decide, in one go."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        plans = load_plans([policy.slug for policy in self.result_list])
        for policy in self.result_list:
            plan = plans.get(policy.slug)
            policy.problem = plan.problem if plan else ""


@admin.register(Policy)
class PolicyAdmin(SafetyAdmin[Policy]):
    list_display = ("slug", "shows_mode", "shows_rules", "shows_problem")
    list_filter = ("mode",)
    search_fields = ("slug",)
    # Sites have a handful; none is told from some at a glance.
    formfield_overrides = {
        ManyToManyField: {"widget": CheckboxSelectMultiple, "help_text": ""}
    }
    inlines = (RuleInline,)
    fieldsets = (
        (None, {"fields": ("slug", "shows_mode", "blocklists", "stop_on_block")}),
        (
            gettext_lazy("What readers see meanwhile"),
            {
                "fields": (
                    "on_pending",
                    "on_outage",
                    "on_exhausted",
                    "on_unknown",
                    "fail_open_reason",
                    "inline_ms",
                )
            },
        ),
    )
    tools = (
        mode_tool(Mode.LIVE, gettext_lazy("Go live")),
        mode_tool(Mode.SHADOW, gettext_lazy("Shadow only")),
        mode_tool(Mode.OFF, gettext_lazy("Switch off")),
        Tool(
            name="rejudge",
            label=gettext_lazy("Judge earlier texts"),
            permission="contentsafety.change_policy",
            post_only=False,
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        # Code and rows name the policy by its slug.
        return ["shows_mode", "slug"] if obj else ["shows_mode"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(rule_count=Count("rules"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PolicyChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        waits = [(using, upkeep.oldest_wait(using)) for using in upkeep.databases()]
        context = {
            "waits": [(using, wait) for using, wait in waits if wait is not None],
            "problems": [
                plan for _slug, plan in sorted(load_plans().items()) if plan.problem
            ],
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    @admin.display(description=gettext_lazy("Mode"), ordering="mode")
    def shows_mode(self, policy: Policy) -> SafeString:
        word, _colon, meaning = policy.get_mode_display().partition(": ")
        return format_html(
            '{} <span class="cs-quiet">{}</span>', badge(policy.mode, word), meaning
        )

    @admin.display(description=gettext_lazy("Rules"), ordering="rule_count")
    def shows_rules(self, policy: Any) -> int:
        return int(policy.rule_count)

    @admin.display(description=gettext_lazy("Problem"))
    def shows_problem(self, policy: Any) -> SafeString:
        if not policy.problem:
            return format_html('<span class="cs-quiet">{}</span>', "–")
        return format_html('<span class="cs-problem">{}</span>', policy.problem)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {"problem": explain_problem(obj), "rounds": running_rounds(obj.slug)}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        context["suggestions"] = suggestions()
        return super().render_change_form(request, context, *args, **kwargs)

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        policy: Policy = form.instance
        changed = list(form.changed_data)
        if any(formset.has_changed() for formset in formsets):
            changed.append("rules")
        if not change:
            LogEntry.objects.create(
                event="policy_founded",
                actor_key=actor(request),
                subject=policy.slug,
                to_value=policy.mode,
                details=_state(policy),
            )
        elif changed:
            # For response_change: what decides is not what it was.
            policy.decides_otherwise = not DECIDING.isdisjoint(changed)  # type: ignore[attr-defined]
            record_change(
                policy, by=actor(request), changed=sorted(changed), **_state(policy)
            )

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        """After a change of what decides: ask which earlier texts it concerns."""
        response = super().response_change(request, obj)
        is_plain = "_continue" not in request.POST and "_addanother" not in request.POST
        if is_plain and getattr(obj, "decides_otherwise", False) and was_used(obj):
            return HttpResponseRedirect(self.url("rejudge", obj))
        return response

    def rejudge(self, request: HttpRequest, policy: Policy) -> Response:
        choices = Choices(request, [policy.slug])
        if "call_off" in request.POST:
            self.say(request, call_off(policy.slug, actor(request)))
            return self.back_to(policy)
        if request.method == "POST" and choices.form.is_valid():
            done = choices.carry_out(actor(request))
            self.say(request, done or _("Only texts submitted from now on, then."))
            return self.back_to(policy)
        return self.render(
            request,
            "rejudge.html",
            policy,
            title=_("Judge earlier texts of %s?") % policy.slug,
            policy=policy,
            rounds=running_rounds(policy.slug),
            **choices.context(),
        )

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[Any], list[Any]]:
        """A policy that hides texts is switched off first: deleting it shows them."""
        policies = list(objs)
        rules = PolicyRule.objects.filter(policy__in=policies).count()
        counts: dict[str, int] = {
            str(Policy._meta.verbose_name_plural): len(policies),
            str(PolicyRule._meta.verbose_name_plural): rules,
        }
        live = [
            _("%s is live: deleting it would show all it hides. Switch it off first.")
            % policy.slug
            for policy in policies
            if policy.mode == Mode.LIVE
        ]
        lacking = set() if self.has_delete_permission(request) else {_("policy")}
        return [policy.slug for policy in policies], counts, lacking, live

    def delete_model(self, request: HttpRequest, obj: Policy) -> None:
        with transaction.atomic(router.db_for_write(self.model)):
            LogEntry.objects.create(
                event="policy_deleted",
                actor_key=actor(request),
                subject=obj.slug,
                from_value=obj.mode,
                details={"version": obj.version, **_state(obj)},
            )
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for policy in queryset:
            self.delete_model(request, policy)

    def _switch(self, request: HttpRequest, policy: Policy, mode: Mode) -> Response:
        before = policy.mode
        if request.method == "POST":
            switch_mode(policy, mode, by=actor(request))
            if before == Mode.OFF:
                # What was submitted meanwhile has waited.
                for using in upkeep.databases():
                    tasks.wake(using)
            self.say(
                request,
                _("%(policy)s: %(mode)s.")
                % {"policy": policy.slug, "mode": policy.get_mode_display()},
            )
            return self.back_to(policy)
        going_live = mode == Mode.LIVE
        hidden, decided = (
            would_have_hidden(policy)
            if going_live and before == Mode.SHADOW
            else (None, None)
        )
        return self.render(
            request,
            "switch.html",
            policy,
            title=_("Switch %(policy)s to %(mode)s?")
            % {"policy": policy.slug, "mode": mode.value},
            policy=policy,
            mode=mode.value,
            mode_words=mode.label,
            before_words=policy.get_mode_display(),
            problem=explain_problem(policy) if going_live else "",
            hidden=hidden,
            decided=decided,
            rules=policy.rules.all(),
        )

    live = partialmethod(_switch, mode=Mode.LIVE)
    shadow = partialmethod(_switch, mode=Mode.SHADOW)
    off = partialmethod(_switch, mode=Mode.OFF)


def _state(policy: Policy) -> dict[str, Any]:
    """Rules and blocklists as they are now, for the log: codes and ids."""
    return {
        "rules": [asdict(rule.as_rule()) for rule in policy.rules.all()],
        "blocklists": list(
            policy.blocklists.order_by("pk").values_list("pk", flat=True)
        ),
    }
