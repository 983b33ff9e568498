"""Custom categories: what a site defines, its samples, and its frozen versions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from ..engine.samples import text_hash
from ..exceptions import FrozenVersion, InvalidTransition
from ..providers import validate_alias
from ..verdicts import HarmCategory
from .fields import DbNow, KeyField, restrict_or_clear
from .lifecycles import VERSION_TRANSITIONS, VersionStatus, WithheldWhy

M = TypeVar("M", bound=models.Model)

#: The wire contract's pattern for names (custom category API, 2024-09-15-preview).
NAME_PATTERN = r"^(?=[a-zA-Z0-9])[a-zA-Z0-9-]*[a-zA-Z0-9]\Z"


def validate_not_harm_category(name: str) -> None:
    """A rule names its category by one word, so the two kinds may not overlap."""
    if name.lower() in {harm.value.lower() for harm in HarmCategory}:
        raise ValidationError(
            _("“%(name)s” is a built-in harm category: choose another name."),
            code="harm_category",
            params={"name": name},
        )


class Category(models.Model):
    """A kind of content that a site defines by a definition and samples."""

    name = KeyField(
        _("name"),
        max_length=64,
        unique=True,
        validators=[
            RegexValidator(
                NAME_PATTERN, _("Use letters, digits and inner hyphens only.")
            ),
            validate_not_harm_category,
        ],
        help_text=_("Letters, digits and inner hyphens, at most 64: crypto-scam."),
    )
    definition = models.TextField(
        _("definition"),
        max_length=1000,
        help_text=_(
            "What belongs in here and what does not, at most 1,000 characters."
        ),
    )
    provider = models.CharField(
        _("provider"),
        max_length=64,
        default="default",
        validators=[validate_alias],
        help_text=_("The alias in CONTENTSAFETY_PROVIDERS that builds and answers."),
    )
    active_version = models.ForeignKey(
        "CategoryVersion",
        verbose_name=_("active version"),
        null=True,
        blank=True,
        editable=False,
        on_delete=restrict_or_clear,
        related_name="+",
    )
    #: The last number given: numbers are never reused, whatever is deleted.
    last_number = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(db_default=DbNow(), editable=False)
    #: Since when it is being deleted: it goes with the last of what its providers keep.
    leaving_since = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["name"]
        permissions = [
            ("build_category", "Can freeze and build versions"),
            ("activate_version", "Can activate, retire and reinstate a version"),
            ("override_bar", "Can activate a version below the bar, with a reason"),
            ("try_category", "Can try a text on a category"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_leaving(self) -> bool:
        """Whether it is being deleted: nothing new is made of it any more."""
        return self.leaving_since is not None


class Sample(models.Model):
    """One labeled example of a category."""

    class Source(models.TextChoices):
        UPLOAD = "upload", _("upload")
        PASTE = "paste", _("paste")
        REVIEW = "review", _("review")
        API = "api", _("API")

    category = models.ForeignKey(
        Category, on_delete=models.CASCADE, related_name="samples"
    )
    text = models.TextField(_("text"))
    is_positive = models.BooleanField(_("positive"), default=True)
    text_hash = models.CharField(max_length=64, editable=False)
    source = models.CharField(
        max_length=8, choices=Source.choices, default=Source.PASTE, editable=False
    )
    #: The object a reviewed sample came from: erasing it must find the sample.
    source_model = KeyField(max_length=100, blank=True, editable=False)
    source_key = KeyField(max_length=255, blank=True, editable=False)
    created_by = KeyField(max_length=255, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=DbNow(), editable=False)

    class Meta:
        verbose_name = _("sample")
        verbose_name_plural = _("samples")
        ordering = ["pk"]
        permissions = [("view_sample_text", "Can read the text of samples")]
        constraints = [
            models.UniqueConstraint(
                fields=["category", "text_hash"],
                name="contentsafety_sample_once",
                violation_error_message=_("This category has a sample of this text."),
            )
        ]
        indexes = [
            models.Index(
                fields=["source_model", "source_key"], name="contentsafety_sample_src"
            )
        ]

    def __str__(self) -> str:
        # Without its text: the admin stores this, and shows it to everybody on staff.
        return f"{'+' if self.is_positive else '−'} {self.pk}"

    def save(self, **kwargs: Any) -> None:
        self.text_hash = text_hash(self.text)
        if (names := kwargs.get("update_fields")) and "text" in names:
            kwargs["update_fields"] = {*names, "text_hash"}
        super().save(**kwargs)

    def clean(self) -> None:
        if self.text and not self.text.strip():
            raise ValidationError({"text": _("A sample needs a text.")})
        # Before validate_constraints, which compares the hash.
        self.text_hash = text_hash(self.text)


class VersionQuerySet(models.QuerySet[M]):
    """Frozen columns are written by the insert alone."""

    def update(self, **kwargs: Any) -> int:
        _refuse_frozen(kwargs)
        return super().update(**kwargs)

    def erase(self) -> int:
        """Drop what a deleted version was made of: artifact and samples.

        Number, definition, hash, counts and card stay: what it decided stays told.
        """
        return super().update(
            artifact=None, samples_jsonl=b"", withheld_jsonl=b"", redacted=True
        )


class CategoryVersion(models.Model):
    """A category's definition and samples as they were when it was frozen."""

    Status = VersionStatus
    TRANSITIONS = VERSION_TRANSITIONS
    WithheldWhy = WithheldWhy
    #: Large columns: fetched only where they are shown.
    BLOBS = ("samples_jsonl", "withheld_jsonl", "artifact")
    #: What is never written again.
    FROZEN_FIELDS = frozenset(
        {
            "category",
            "category_id",
            "number",
            "definition",
            "provider",
            "samples_jsonl",
            "samples_sha256",
            "positive_count",
            "negative_count",
            "withheld_jsonl",
            "withheld_count",
            "withheld_why",
            "is_adopted",
        }
    )

    category = models.ForeignKey(
        Category, on_delete=models.CASCADE, related_name="versions"
    )
    number = models.PositiveIntegerField(_("number"))
    definition = models.TextField(_("definition"))
    provider = models.CharField(_("provider"), max_length=64)
    samples_jsonl = models.BinaryField()
    samples_sha256 = models.CharField(max_length=64)
    positive_count = models.PositiveIntegerField(_("positive samples"))
    negative_count = models.PositiveIntegerField(_("negative samples"))
    #: Samples that a remote provider never sees: its card is measured on them.
    withheld_jsonl = models.BinaryField(default=b"")
    withheld_count = models.PositiveIntegerField(_("withheld samples"), default=0)
    #: Why none are withheld, where the provider is a remote one.
    withheld_why = models.CharField(
        max_length=8, choices=WithheldWhy.choices, blank=True
    )
    #: It was built elsewhere: its samples aren't here, nor were they ever.
    is_adopted = models.BooleanField(_("built elsewhere"), default=False)
    #: Erasure replaced lines of ``samples_jsonl`` by tombstones.
    redacted = models.BooleanField(default=False)
    status = models.CharField(
        _("status"),
        max_length=13,
        choices=VersionStatus.choices,
        default=VersionStatus.FROZEN,
    )
    card = models.JSONField(_("evaluation card"), null=True, blank=True)
    artifact = models.BinaryField(null=True, blank=True)
    provider_version = models.CharField(max_length=64, blank=True)
    #: Since when the provider doesn't list it any more; NULL = it does, or can't.
    gone_at = models.DateTimeField(_("gone since"), null=True, blank=True)
    created_by = KeyField(max_length=255, blank=True)
    created_at = models.DateTimeField(_("frozen at"), db_default=DbNow())
    ready_at = models.DateTimeField(_("ready at"), null=True, blank=True)
    #: The last time it was activated: by this a roll back finds where to.
    activated_at = models.DateTimeField(_("activated at"), null=True, blank=True)
    #: Deleting it at the provider. The id is ours, one a try, stored before the
    #: provider hears of it.
    removal_id = models.CharField(max_length=64, blank=True)
    removal_since = models.DateTimeField(null=True, blank=True)
    #: When the provider had taken the order.
    removal_asked_at = models.DateTimeField(null=True, blank=True)
    removal_due_at = models.DateTimeField(null=True, blank=True)
    removal_token = models.CharField(max_length=32, blank=True)
    #: What the provider said of it last, or why it failed and what to do.
    removal_words = models.TextField(blank=True)

    objects = VersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("version")
        verbose_name_plural = _("versions")
        ordering = ["category", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["category", "number"], name="contentsafety_version_number"
            )
        ]
        indexes = [
            models.Index(
                fields=["status", "removal_due_at"], name="contentsafety_version_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.category} v{self.number}"

    def save(self, **kwargs: Any) -> None:
        """Raise FrozenVersion where the call would write a frozen column again."""
        if self._state.adding:
            # Or an instance with an old version's key would be written over it.
            kwargs["force_insert"] = True
        else:
            names = kwargs.get("update_fields")
            _refuse_frozen(self.FROZEN_FIELDS if names is None else names)
        super().save(**kwargs)

    @property
    def card_column(self) -> str:
        """The column whose lines the places on the card count."""
        return "withheld_jsonl" if self.withheld_count else "samples_jsonl"

    def move(self, status: str, **changes: Any) -> None:
        """Go to ``status`` and write ``changes``, in one compare-and-set.

        Raise InvalidTransition where the row is not (any more) in a status this one
        follows, or another worker deletes it.
        """
        row = CategoryVersion.objects.filter(
            pk=self.pk,
            status__in=self.TRANSITIONS[status],
            removal_token=self.removal_token,
        )
        # The status last: MySQL and MariaDB assign from left to right.
        if not row.update(**changes, status=status):
            raise InvalidTransition(
                f"Version {self.pk} can't become {status}: it has moved on meanwhile."
            )
        self.refresh_from_db()


def _refuse_frozen(names: Iterable[str]) -> None:
    if not CategoryVersion.FROZEN_FIELDS.isdisjoint(names):
        raise FrozenVersion(
            "A version's definition and samples are frozen: name the columns to write "
            "in update_fields."
        )
