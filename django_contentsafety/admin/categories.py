"""Categories: define one, give it samples, freeze and build versions, activate."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _, gettext_lazy

from .. import tasks
from ..exceptions import RefusedError
from ..flows import build, leaving
from ..flows.entries import log_category
from ..flows.exporting import export_live
from ..flows.naming import known_to_services, policies_naming
from ..forms import CategoryForm, suggestions
from ..models import BuildJob, Category, CategoryVersion, Sample
from . import adopting, bundles, trying, uploads
from .activating import roll_back_button
from .base import Response, SafetyAdmin, Tool, actor
from .display import badge
from .exports import download
from .versions import BUILD, READ, VersionAdmin, version_rows


@admin.register(Category)
class CategoryAdmin(SafetyAdmin[Category]):
    form = CategoryForm
    list_display = (
        "name",
        "provider",
        "shows_active",
        "shows_positives",
        "shows_negatives",
        "shows_build",
    )
    search_fields = ("name", "definition")
    readonly_fields = ("shows_active",)
    fields = ("name", "definition", "provider", "shows_active")
    tools = (
        Tool(
            name="upload",
            label=gettext_lazy("Upload samples"),
            permission="contentsafety.add_sample",
            post_only=False,
            fits=lambda category: not category.is_leaving,
        ),
        Tool(
            name="freeze",
            label=gettext_lazy("Freeze version"),
            permission=BUILD,
            fits=lambda category: not category.is_leaving,
        ),
        Tool(
            name="try_it",
            label=gettext_lazy("Try it"),
            permission="contentsafety.try_category",
            post_only=False,
        ),
        Tool(
            name="export_samples",
            label=gettext_lazy("Export samples"),
            permission=READ,
            post_only=False,
            read_only=True,
        ),
        bundles.EXPORT,
    )

    def get_urls(self) -> list[URLPattern]:
        pages = [bundles.import_path(self), adopting.adopt_path(self)]
        return [*pages, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {
            **bundles.import_link(self, request),
            **adopting.adopt_link(self, request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def export(self, request: HttpRequest, category: Category) -> Response:
        return bundles.download(request, category)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        jobs = BuildJob.objects.filter(version__category=OuterRef("pk"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                # A join for the row would drag artifact and samples along.
                active_number=F("active_version__number"),
                positives=_count(is_positive=True),
                negatives=_count(is_positive=False),
                build_status=Subquery(jobs.order_by("-pk").values("status")[:1]),
            )
        )

    @admin.display(description=gettext_lazy("Active version"), empty_value="–")
    def shows_active(self, category: Any) -> SafeString | None:
        if category.is_leaving:
            return badge("deleting", _("being deleted"))
        if not category.active_version_id:
            return None
        return format_html("v{}", category.active_number)

    @admin.display(description=gettext_lazy("Samples +"), ordering="positives")
    def shows_positives(self, category: Any) -> int:
        return int(category.positives)

    @admin.display(description=gettext_lazy("Samples −"), ordering="negatives")
    def shows_negatives(self, category: Any) -> int:
        return int(category.negatives)

    @admin.display(description=gettext_lazy("Latest build"))
    def shows_build(self, category: Any) -> SafeString:
        status = category.build_status or ""
        return badge(status, str(BuildJob.Status(status).label) if status else "")

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        samples = self.admin_site._registry.get(Sample)
        return {
            "positives": obj.positives,
            "negatives": obj.negatives,
            "samples_url": f"{self.url('changelist', opts=Sample._meta)}"
            f"?category__id__exact={obj.pk}"
            if samples and samples.has_view_permission(request)
            else "",
            "versions": version_rows(self.admin_site, request, obj),
            "policies": policies_naming(obj.name),
            "tools": [
                *self.tool_buttons(request, obj),
                *self._roll_back_button(request, obj),
            ],
        }

    def _roll_back_button(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        versions = self.admin_site._registry.get(CategoryVersion)
        if not isinstance(versions, VersionAdmin):
            return []
        return roll_back_button(versions, request, obj)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        context["suggestions"] = suggestions()
        return super().render_change_form(request, context, *args, **kwargs)

    def upload(self, request: HttpRequest, category: Category) -> Response:
        return uploads.answer(self, request, category)

    def freeze(self, request: HttpRequest, category: Category) -> Response:
        version = build.freeze(category, by=actor(request))
        self.say(
            request,
            _(
                "%(version)s is frozen: %(positive)d positive, %(negative)d negative "
                "samples. Build it next."
            )
            % {
                "version": version,
                "positive": version.positive_count,
                "negative": version.negative_count,
            },
        )
        return self.back_to(category)

    def try_it(self, request: HttpRequest, category: Category) -> Response:
        return trying.answer(self, request, category)

    def export_samples(self, request: HttpRequest, category: Category) -> Response:
        return download(export_live(category), category.name)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[Any], list[Any]]:
        """Say what goes in numbers: Django's own list would name every sample."""
        pks = [category.pk for category in objs]
        counts = {
            model._meta.verbose_name_plural: rows.count()
            for model, rows in (
                (Category, Category.objects.filter(pk__in=pks)),
                (Sample, Sample.objects.filter(category__in=pks)),
                (CategoryVersion, CategoryVersion.objects.filter(category__in=pks)),
                (BuildJob, BuildJob.objects.filter(version__category__in=pks)),
            )
        }
        protected = [words for one in objs for words in leaving.what_hinders(one)]
        names = [words for one in objs for words in self._what_goes(one)]
        lacking = set() if self.has_delete_permission(request) else {_("category")}
        return names, counts, lacking, protected  # type: ignore[return-value]

    def _what_goes(self, category: Category) -> list[str]:
        words = [str(category)]
        if kept := len(known_to_services(category)):
            words.append(
                _(
                    "Versions at the provider %(alias)s: %(count)d. They are deleted "
                    "there first, which may take a while, and then the category."
                )
                % {"alias": category.provider, "count": kept}
            )
        return words

    def save_model(
        self, request: HttpRequest, obj: Category, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        by = actor(request)
        if not change:
            log_category("category_created", obj, by)
        elif changed := form.changed_data:
            before = form.initial["name"] if "name" in changed else ""
            log_category(
                "category_changed", obj, by, from_value=before, changed=changed
            )

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        try:
            going = leaving.delete_category(obj, by=actor(request))
        except RefusedError as refusal:
            # The question's page looks first: in the same moment somebody changed it.
            raise PermissionDenied(str(refusal)) from None
        for version in going:
            # The page is one transaction.
            transaction.on_commit(
                partial(tasks.wake_removal, version), using=obj._state.db
            )
        if going:
            self.say(
                request,
                _(
                    "The category %s goes when its provider has deleted its versions. "
                    "Each one's page says how far that is."
                )
                % obj,
            )

    def response_delete(
        self, request: HttpRequest, obj_display: str, obj_id: Any
    ) -> Any:
        if Category.objects.filter(pk=obj_id).exists():
            # ``delete_model`` has said what happens: it isn't deleted yet.
            return HttpResponseRedirect(self.url("changelist"))
        return super().response_delete(request, obj_display, obj_id)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for category in queryset:
            self.delete_model(request, category)


def _count(*, is_positive: bool) -> Coalesce:
    rows = Sample.objects.filter(category=OuterRef("pk"), is_positive=is_positive)
    counted = rows.order_by().values("category").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
