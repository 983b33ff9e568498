"""Moderations: where each object stands, its text and answers, and a person's say.

Rows live beside the moderated objects. These pages show those of the database that
the router names for reading them, which is the default one on most sites.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from .. import tasks
from ..decisions import DecisionValue
from ..exceptions import RefusedError, TextChanged
from ..flows import review
from ..forms import DecisionForm
from ..models import ModerationState
from .base import PageAdmin, Response, Tool
from .cases import case_context
from .display import badge, object_label, object_link
from .results import ObjectChangeList
from .search import ModelFilter, ObjectSearch, PolicyFilter

DECIDE = "contentsafety.decide_moderationstate"
RETRY = "contentsafety.retry_moderationstate"


@admin.register(ModerationState)
class StateAdmin(ObjectSearch, PageAdmin[ModerationState]):
    list_display = (
        "shows_key",
        "shows_object",
        "shows_decision",
        "shows_state",
        "policy",
        "created_at",
    )
    list_filter = ("state", "decision", PolicyFilter, ModelFilter)
    search_fields = ("object_key", "model", "policy")
    search_help_text = gettext_lazy(
        "An object's key, its model (app.model) or a policy, written out: "
        "guestbook.entry 12."
    )
    actions = ("approve_selected", "reject_selected", "retry_selected")
    text_fields = frozenset({"content_hash"})
    text_permission = "contentsafety.view_moderated_text"
    tools = (
        Tool(name="approve", label=gettext_lazy("Approve"), permission=DECIDE),
        Tool(name="reject", label=gettext_lazy("Reject"), permission=DECIDE),
        Tool(name="retry", label=gettext_lazy("Check again"), permission=RETRY),
    )

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(DECIDE)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(RETRY)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The newest first. Of one state, by how long they have waited: its index has
        them in that order, where by number SQLite would read the whole table."""
        of_one_state = {"state", "state__exact"} & request.GET.keys()
        return ("-first_pending_at",) if of_one_state else ("-pk",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return ObjectChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        # Without a worker, somebody has to take what earlier saves left over.
        if (
            request.method == "GET"
            and tasks.wake_mode() == "inline"
            and self.has_view_permission(request)
        ):
            tasks.wake(self.get_queryset(request).db)
        return super().changelist_view(request, extra_context)

    @admin.display(description="#", ordering="pk")
    def shows_key(self, state: ModerationState) -> SafeString:
        """The number, and which text of the object this page has shown."""
        return format_html(
            '{}<input type="hidden" name="generation-{}" value="{}">',
            state.pk,
            state.pk,
            state.generation,
        )

    @admin.display(description=gettext_lazy("Object"))
    def shows_object(self, state: Any) -> SafeString:
        link: SafeString = state.object_link
        return link

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def shows_state(self, state: ModerationState) -> SafeString:
        return badge(state.state, state.get_state_display())

    @admin.display(description=gettext_lazy("Decision"), ordering="decision")
    def shows_decision(self, state: ModerationState) -> SafeString:
        """The decision in force, marked where it is about an earlier text."""
        shown = badge(state.decision, state.get_decision_display())
        if not state.decision:
            return shown
        words = (
            _("by %s") if state.is_decided else _("by %s, about an earlier text")
        ) % state.get_decided_by_display()
        return format_html('{} <span class="cs-quiet">{}</span>', shown, words)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        names = [tool.name for tool in self.tools]
        allowed = {button["tool"].name for button in self.tool_buttons(request, obj)}
        return {
            **case_context(self.admin_site, request, obj, self.text_permission),
            "title": _("%(object)s under the policy %(policy)s")
            % {
                "object": object_label(obj.model, obj.object_key),
                "policy": obj.policy,
            },
            "state_badge": self.shows_state(obj),
            "decision_badge": self.shows_decision(obj),
            "object": object_link(self.admin_site, request, obj.model, obj.object_key),
            "forms": {n: self.url(n, obj) for n in names if n in allowed},
            "decision_form": DecisionForm(initial={"generation": obj.generation}),
            # The buttons stand below the text, where one has read it.
            "tools": [],
        }

    def approve(self, request: HttpRequest, state: ModerationState) -> Response:
        return self._decide(request, state, DecisionValue.ALLOW)

    def reject(self, request: HttpRequest, state: ModerationState) -> Response:
        return self._decide(request, state, DecisionValue.BLOCK)

    def retry(self, request: HttpRequest, state: ModerationState) -> Response:
        form = _read(request)
        using = _database(state)
        review.retry(
            state.pk, using=using, generation=form["generation"], by=request.user
        )
        tasks.wake(using, [state.pk])
        self.say(request, _("%s is checked again.") % state)
        return self.back_to(state)

    def _decide(
        self, request: HttpRequest, state: ModerationState, decision: DecisionValue
    ) -> Response:
        form = _read(request)
        review.decide(
            state.pk,
            using=_database(state),
            generation=form["generation"],
            decision=decision,
            by=request.user,
            note=form["note"],
        )
        done = _("approved") if decision == DecisionValue.ALLOW else _("rejected")
        self.say(request, _("%(what)s: %(done)s.") % {"what": state, "done": done})
        return self.back_to(state)

    @admin.action(description=gettext_lazy("Approve"), permissions=["decide"])
    def approve_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._each(request, queryset, review.approve)

    @admin.action(description=gettext_lazy("Reject"), permissions=["decide"])
    def reject_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._each(request, queryset, review.reject)

    @admin.action(description=gettext_lazy("Check again"), permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: Any) -> None:
        done = self._each(request, queryset, review.retry)
        if done:
            tasks.wake(queryset.db, done)

    def _each(
        self, request: HttpRequest, queryset: Any, act: Callable[..., None]
    ) -> list[int]:
        """Act on what the page has shown; say what was left alone, and why."""
        done: list[int] = []
        changed = 0
        # "All 3,021" names rows nobody has seen: only those on the page are decided.
        shown = {
            int(pk): int(generation)
            for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)
            if pk.isdecimal()
            and (generation := request.POST.get(f"generation-{pk}", "")).isdecimal()
        }
        rows = queryset.filter(pk__in=list(shown)).order_by("pk")
        pks = list(rows.values_list("pk", flat=True))
        unseen = queryset.count() - len(pks)
        for pk in pks:
            try:
                act(pk, using=queryset.db, generation=shown[pk], by=request.user)
            except TextChanged:
                changed += 1
            else:
                done.append(pk)
        if done:
            words = ngettext("%d text is done.", "%d texts are done.", len(done))
            self.say(request, words % len(done))
        if changed:
            words = ngettext(
                "%d text was skipped: it changed since you opened the page.",
                "%d texts were skipped: they changed since you opened the page.",
                changed,
            )
            self.message_user(request, words % changed, messages.WARNING)
        if unseen:
            words = ngettext(
                "%d text was skipped: it was not on the page.",
                "%d texts were skipped: they were not on the page.",
                unseen,
            )
            self.message_user(request, words % unseen, messages.WARNING)
        return done


def _read(request: HttpRequest) -> dict[str, Any]:
    form = DecisionForm(request.POST)
    if not form.is_valid():
        problems = [str(word) for words in form.errors.values() for word in words]
        raise RefusedError(
            _("Nothing was done: %s Open the page again.") % " ".join(problems)
        )
    return form.cleaned_data


def _database(state: ModerationState) -> str:
    return state._state.db or "default"
