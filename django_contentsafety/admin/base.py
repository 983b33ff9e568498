"""What our admin pages share: tools with their own permission, and safe refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.db.models import Model
from django.forms import BaseInlineFormSet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from ..documents import user_key
from ..engine.errors import EngineError
from ..exceptions import InvalidProvider, InvalidTransition, RefusedError
from .counting import BoundedPaginator

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline
    from django_stubs_ext import StrOrPromise
else:

    class Subscriptable:
        def __class_getitem__(cls, item: object) -> type:
            """Let the type checker's ``ModelAdmin[Category]`` run."""
            return cls

    class ModelAdmin(Subscriptable, admin.ModelAdmin):
        pass

    class TabularInline(Subscriptable, admin.TabularInline):
        pass


__all__ = [
    "ModelAdmin",
    "PageAdmin",
    "ReadOnlyAdmin",
    "Response",
    "RowsInline",
    "SafetyAdmin",
    "Tool",
    "actor",
]

M = TypeVar("M", bound=Model)
P = TypeVar("P", bound=Model)

Response = HttpResponseBase


class Rows(BaseInlineFormSet):  # type: ignore[type-arg]
    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            form.fields["DELETE"].widget.attrs["aria-label"] = _("Delete")


class RowsInline(TabularInline[M, P]):
    """Rows whose cells say what they are: Django names their columns alone."""

    formset = Rows

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        found: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if found is not None:
            found.widget.attrs.setdefault("aria-label", str(found.label))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A button on an object's page, and the URL behind it.

    The method of the admin that is called ``name`` answers; it may raise
    RefusedError. Without ``permission`` the URL answers 403 and the button is hidden.
    """

    name: str
    label: StrOrPromise
    permission: str
    #: A tool that changes something at once has a POST button; one that first shows
    #: a form or a question has a link.
    post_only: bool = True
    #: Whether the button makes sense for this object, as it stands; the URL answers
    #: in words where it does not.
    fits: Callable[[Any], bool] = lambda obj: True
    #: Whether it only shows something: it is never posted to.
    read_only: bool = False


class SafetyAdmin(ModelAdmin[M]):
    """Base of our admins. Nothing of a request is ever kept on ``self``."""

    tools: ClassVar[Sequence[Tool]] = ()
    #: Fields that a permission of their own protects, filters in the URL included:
    #: ``?text__startswith=a`` would else spell the text out letter by letter.
    text_fields: ClassVar[frozenset[str]] = frozenset()
    text_permission: ClassVar[str] = ""
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css = {"all": ["contentsafety/admin.css"]}

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{tool.name}/",
                self.admin_site.admin_view(self._tool_view(tool)),
                name=self.url_name(tool.name),
            )
            for tool in self.tools
        ]
        return own + super().get_urls()

    def url_name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def url(self, page: str, obj: Any = None, opts: Any = None) -> str:
        """The address of one of the admin's pages, ours or another model's."""
        opts = opts or self.opts
        name = f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_{page}"
        return reverse(name, args=[] if obj is None else [quote(obj.pk)])

    def has_tool_permission(self, request: HttpRequest, tool: Tool) -> bool:
        return self.has_view_permission(request) and request.user.has_perm(
            tool.permission
        )

    def has_text_permission(self, request: HttpRequest) -> bool:
        """Whether texts are shown; the page says so where they are not."""
        return request.user.has_perm(self.text_permission)

    def tool_buttons(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        return [
            {"tool": tool, "url": self.url(tool.name, obj)}
            for tool in self.tools
            if self.has_tool_permission(request, tool) and tool.fits(obj)
        ]

    def lookup_allowed(
        self, lookup: str, value: Any, request: HttpRequest | None = None
    ) -> bool:
        if lookup.split("__")[0] in self.text_fields and (
            request is None or not self.has_text_permission(request)
        ):
            return False
        # The argument is required from Django 6.0 on, optional before.
        return bool(super().lookup_allowed(lookup, value, request))  # type: ignore[arg-type]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (IntegrityError, ValidationError):
            if request.method != "POST":
                raise
            # The forms look first; only another person in the same moment gets here.
            self.message_user(
                request,
                _("Somebody changed the same thing meanwhile: nothing was stored."),
                messages.ERROR,
            )
            return HttpResponseRedirect(request.path)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> Any:
        if obj is not None:
            context["tools"] = self.tool_buttons(request, obj)
            context.update(self.page_context(request, obj))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What the object's page shows besides its form."""
        return {}

    def render(
        self, request: HttpRequest, template: str, obj: Any, **context: Any
    ) -> TemplateResponse:
        """One of our own pages about an object."""
        return TemplateResponse(
            request,
            f"admin/contentsafety/{template}",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": obj,
                "object_url": self.url("change" if obj else "changelist", obj),
                "media": self.media,
                **context,
            },
        )

    def say(self, request: HttpRequest, message: str, *, error: bool = False) -> None:
        level = messages.ERROR if error else messages.SUCCESS
        self.message_user(request, message, level)

    def back_to(self, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url("change", obj))

    def _tool_view(self, tool: Tool) -> Callable[..., Any]:
        def view(request: HttpRequest, object_id: str) -> Any:
            if not self.has_tool_permission(request, tool):
                raise PermissionDenied
            obj = self.get_object(request, unquote(object_id))
            if obj is None:
                raise Http404
            methods = ["GET", "HEAD"] if tool.read_only else ["GET", "HEAD", "POST"]
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            if tool.post_only and request.method == "HEAD":
                return self.back_to(obj)
            if tool.post_only and request.method != "POST":
                # From the login, say, that a POST after the session's end leads to.
                self.say(
                    request,
                    _("Nothing was done: press “%s” again.") % tool.label,
                    error=True,
                )
                return self.back_to(obj)
            try:
                return getattr(self, tool.name)(request, obj)
            except (
                RefusedError,
                InvalidTransition,
                # A provider that the settings lost; a sample that no line can hold.
                InvalidProvider,
                EngineError,
            ) as refusal:
                self.say(request, str(refusal), error=True)
                return self.back_to(obj)

        return update_wrapper(view, getattr(self, tool.name))


class ReadOnlyAdmin(SafetyAdmin[M]):
    """Rows that only the flows write."""

    actions: Sequence[Any] | None = ()
    show_full_result_count = False
    list_per_page = 50
    paginator = BoundedPaginator
    #: By number alone, which is by age too: no other column's order has an index.
    sortable_by = ("pk", "shows_key")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False


class PageAdmin(ReadOnlyAdmin[M]):
    """Read-only rows whose page is a template of ours instead of a form."""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return []


def actor(request: HttpRequest) -> str:
    """Who does it, as the log stores it."""
    return user_key(request.user)
