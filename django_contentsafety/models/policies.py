"""What a site tolerates, per use: rules, blocklists, and what readers see meanwhile."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ..decisions import DecisionValue, Rule
from ..providers import explain_unanswerable, validate_alias
from ..verdicts import SCALE_RANGE, HarmCategory, Scale
from .categories import Category
from .fields import DbNow, KeyField


class Policy(models.Model):
    """A named set of rules. Its slug is what code and row tables refer to."""

    class Mode(models.TextChoices):
        LIVE = "live", _("live: decides what is shown")
        SHADOW = "shadow", _("shadow: analyzes and stores, hides nothing")
        OFF = "off", _("off: texts wait, nothing is analyzed")

    class Pending(models.TextChoices):
        AUTHOR_ONLY = "author_only", _("its author only")
        HIDE = "hide", _("nobody")
        SHOW = "show", _("everybody")
        SHOW_PREVIOUS = "show_previous", _("as the last decision said")

    class Outage(models.TextChoices):
        SAME_AS_PENDING = "same_as_pending", _("same as pending")
        SHOW = "show", _("everybody (fail open)")
        HIDE = "hide", _("nobody (fail closed)")

    class Exhausted(models.TextChoices):
        REVIEW = "review", _("nobody, until a person decides")
        HIDE = "hide", _("nobody")
        SHOW = "show", _("everybody (fail open)")

    class Unknown(models.TextChoices):
        SHOW = "show", _("everybody, until a full pass saw every object")
        HIDE = "hide", _("nobody")

    slug = KeyField(_("slug"), max_length=50, unique=True, validators=[validate_slug])
    mode = models.CharField(
        _("mode"), max_length=6, choices=Mode.choices, default=Mode.SHADOW
    )
    #: Raised by every change of the rules; stored with each decision.
    version = models.PositiveIntegerField(default=1, editable=False)
    on_pending = models.CharField(
        _("shown while pending to"),
        max_length=13,
        choices=Pending.choices,
        default=Pending.AUTHOR_ONLY,
    )
    on_outage = models.CharField(
        _("shown in an outage to"),
        max_length=15,
        choices=Outage.choices,
        default=Outage.SAME_AS_PENDING,
    )
    on_exhausted = models.CharField(
        _("shown when it can't be checked to"),
        max_length=6,
        choices=Exhausted.choices,
        default=Exhausted.REVIEW,
    )
    on_unknown = models.CharField(
        _("never seen texts are shown to"),
        max_length=4,
        choices=Unknown.choices,
        default=Unknown.SHOW,
    )
    fail_open_reason = models.CharField(
        _("why failing open is right here"), max_length=200, blank=True
    )
    stop_on_block = models.BooleanField(
        _("stop at the first block"),
        default=True,
        help_text=_("Ask no further source once one of them blocks."),
    )
    inline_ms = models.PositiveIntegerField(
        _("inline milliseconds"),
        null=True,
        blank=True,
        help_text=_(
            "How long a save without a worker may wait for its decision; empty: 300 "
            "where every provider runs in this process, else 0."
        ),
    )
    blocklists: models.ManyToManyField[Blocklist, Any] = models.ManyToManyField(
        "Blocklist", verbose_name=_("blocklists"), blank=True, related_name="policies"
    )
    created_at = models.DateTimeField(db_default=DbNow(), editable=False)

    class Meta:
        verbose_name = _("policy")
        verbose_name_plural = _("policies")
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug

    @property
    def fails_open(self) -> bool:
        """Whether anything unchecked is ever shown to everybody."""
        return "show" in (self.on_pending, self.on_outage, self.on_exhausted)


class PolicyRule(models.Model):
    """At which values one category of one provider makes the policy act."""

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="rules")
    provider = KeyField(
        _("provider"), max_length=64, default="default", validators=[validate_alias]
    )
    #: A harm category's or a custom category's name.
    category = KeyField(_("category"), max_length=64)
    scale = models.CharField(
        _("scale"), max_length=8, choices=Scale.choices, default=Scale.SCORE
    )
    review_at = models.FloatField(_("review at"), null=True, blank=True)
    block_at = models.FloatField(_("block at"), null=True, blank=True)
    only_if_unsure = models.BooleanField(
        _("only if unsure"),
        default=False,
        help_text=_("Ask only where an earlier source landed between its thresholds."),
    )

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ["policy", "provider", "category"]
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "provider", "category"],
                name="contentsafety_rule_once",
                violation_error_message=_("This policy has a rule for this category."),
            ),
            models.CheckConstraint(
                name="contentsafety_rule_order",
                condition=Q(review_at__isnull=True)
                | Q(block_at__isnull=True)
                | Q(review_at__lte=F("block_at")),
                violation_error_message=_("“Review at” may not be above “block at”."),
            ),
            models.CheckConstraint(
                name="contentsafety_rule_range",
                condition=(Q(review_at__isnull=True) | Q(review_at__gte=0))
                & (Q(block_at__isnull=True) | Q(block_at__gte=0))
                & (
                    (
                        Q(scale="severity")
                        & (Q(review_at__isnull=True) | Q(review_at__lte=7))
                        & (Q(block_at__isnull=True) | Q(block_at__lte=7))
                    )
                    | (
                        Q(scale__in=["score", "detected"])
                        & (Q(review_at__isnull=True) | Q(review_at__lte=1))
                        & (Q(block_at__isnull=True) | Q(block_at__lte=1))
                    )
                ),
                violation_error_message=_("A threshold lies outside its scale."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.category} ({self.provider})"

    def save(self, **kwargs: Any) -> None:
        self.full_clean()
        super().save(**kwargs)

    def clean(self) -> None:
        """Refuse what its provider can't answer, in words for the person saving."""
        if self.review_at is None and self.block_at is None:
            raise ValidationError(_("Set “review at”, “block at” or both."))
        low, high = SCALE_RANGE.get(self.scale, (0, 1))
        for name in ("review_at", "block_at"):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValidationError(
                    {
                        name: _("The scale %(scale)s runs from %(low)g to %(high)g.")
                        % {"scale": self.scale, "low": low, "high": high}
                    }
                )
        if not self.category or not self.provider:
            return  # The field has said so.
        custom = self.category not in HarmCategory.values
        if custom:
            self._check_category()
        problem = explain_unanswerable(
            self.provider, self.category, self.scale, custom=custom
        )
        if problem:
            raise ValidationError({"category": problem})

    def as_rule(self) -> Rule:
        """The value object ``decisions.decide`` works on."""
        return Rule(
            category=self.category,
            provider=self.provider,
            scale=self.scale,
            review_at=self.review_at,
            block_at=self.block_at,
            only_if_unsure=self.only_if_unsure,
        )

    def _check_category(self) -> None:
        category = Category.objects.filter(name=self.category).first()
        if category is None:
            raise ValidationError(
                {
                    "category": _(
                        "There is no category “%(name)s”: use %(harm)s, or create it "
                        "first."
                    )
                    % {"name": self.category, "harm": ", ".join(HarmCategory.values)}
                }
            )
        if category.is_leaving:
            raise ValidationError(
                {"category": _("“%s” is being deleted.") % self.category}
            )
        if category.provider != self.provider:
            raise ValidationError(
                {
                    "provider": _("“%(name)s” is answered by the provider %(alias)s.")
                    % {"name": self.category, "alias": category.provider}
                }
            )


class Blocklist(models.Model):
    """Terms a site forbids, or allows in spite of another list."""

    name = KeyField(_("name"), max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=DbNow(), editable=False)

    class Meta:
        verbose_name = _("blocklist")
        verbose_name_plural = _("blocklists")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class BlocklistItem(models.Model):
    """One literal term. An *allow* term cancels the hits that it covers."""

    blocklist = models.ForeignKey(
        Blocklist, on_delete=models.CASCADE, related_name="items"
    )
    term = KeyField(_("term"), max_length=200)
    decision = models.CharField(
        _("decision"),
        max_length=6,
        choices=DecisionValue.choices,
        default=DecisionValue.BLOCK,
    )

    class Meta:
        verbose_name = _("item")
        verbose_name_plural = _("items")
        ordering = ["blocklist", "term"]
        constraints = [
            models.UniqueConstraint(
                fields=["blocklist", "term"],
                name="contentsafety_item_once",
                violation_error_message=_("The list has this term already."),
            )
        ]

    def __str__(self) -> str:
        return self.term
