"""Row tables: they live beside the moderated object, without foreign keys.

Databases may differ, and an audit record must not cascade away: policies, models,
objects and users are named, not referenced.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ..decisions import DecisionValue
from .append_only import AppendOnlyModel, AppendOnlyQuerySet
from .claims import INTERACTIVE, StateQuerySet
from .fields import DbNow, KeyField


class ObjectRow(models.Model):
    """The names of what a row is about."""

    model = KeyField(_("model"), max_length=100)
    object_key = KeyField(_("object"), max_length=255)
    policy = KeyField(_("policy"), max_length=50)

    class Meta:
        abstract = True


class ModerationState(ObjectRow):
    """Where one object stands under one policy: the queue, and the decision in force.

    ``generation`` counts texts (only another content hash raises it), ``round`` the
    machine's passes over one text. A decision is in force for the text it was made
    for: where ``decided_generation == generation``.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        LEASED = "leased", _("being checked")
        DONE = "done", _("done")
        EXHAUSTED = "exhausted", _("could not be checked")
        EXEMPT = "exempt", _("exempt")

    class Exhausted(models.TextChoices):
        CONTENT = "content", _("the provider refuses this text")
        PROTOCOL = "protocol", _("the provider's answers can't be read")
        POISON = "poison", _("checking it crashed the worker three times")
        MAX_AGE = "max_age", _("it waited too long")
        BUG = "bug", _("an error in the software")

    class DecidedBy(models.TextChoices):
        MACHINE = "machine", _("machine")
        PERSON = "person", _("person")

    generation = models.PositiveIntegerField(default=1)
    round = models.PositiveIntegerField(default=0)
    content_hash = models.CharField(max_length=64)
    hash_key = models.CharField(max_length=8)
    state = models.CharField(
        _("state"), max_length=9, choices=State.choices, default=State.PENDING
    )
    exhausted_reason = models.CharField(
        max_length=8, choices=Exhausted.choices, blank=True
    )
    decision = models.CharField(
        _("decision"), max_length=6, choices=DecisionValue.choices, blank=True
    )
    decided_generation = models.PositiveIntegerField(default=0)
    decided_by = models.CharField(max_length=7, choices=DecidedBy.choices, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    policy_version = models.PositiveIntegerField(default=0)
    author_key = KeyField(max_length=255, blank=True)
    priority = models.SmallIntegerField(default=INTERACTIVE)
    #: Due columns: the database's clock alone writes and compares them.
    available_at = models.DateTimeField(db_default=DbNow())
    first_pending_at = models.DateTimeField(db_default=DbNow())
    lease_token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    crashes = models.PositiveIntegerField(default=0)
    last_error_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(_("submitted at"), db_default=DbNow())

    objects = StateQuerySet.as_manager()

    class Meta:
        verbose_name = _("moderation")
        verbose_name_plural = _("moderations")
        permissions = [
            ("decide_moderationstate", "Can approve and reject"),
            ("retry_moderationstate", "Can have a text checked again"),
            ("view_moderated_text", "Can read moderated texts"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "object_key", "policy"],
                name="contentsafety_state_once",
            ),
            models.CheckConstraint(
                name="contentsafety_state_decided",
                condition=Q(decided_generation__lte=F("generation"))
                & (Q(decision="", decided_generation=0) | ~Q(decision="")),
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "priority", "available_at"],
                name="contentsafety_state_due",
            ),
            # Who has waited longest; and, by its first column, the few leased ones.
            models.Index(
                fields=["state", "first_pending_at"], name="contentsafety_state_wait"
            ),
            # The cases a person looks through, the newest first.
            models.Index(fields=["decision", "id"], name="contentsafety_state_queue"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.object_key} ({self.policy})"

    @property
    def is_decided(self) -> bool:
        """Whether the decision is about the text as it is now."""
        return bool(self.decision) and self.decided_generation == self.generation


class ResultQuerySet(AppendOnlyQuerySet["ModerationResult"]):
    """Results are written once; erasure and retention are the two ways out."""

    def erase_texts(self) -> int:
        """Null texts and spans (erasure of a person's or an object's text)."""
        return models.QuerySet.update(self, text=None, spans=[])


class ModerationResult(AppendOnlyModel, ObjectRow):
    """What one source said about one text: append-only."""

    state_id = models.BigIntegerField()
    generation = models.PositiveIntegerField()
    round = models.PositiveIntegerField()
    #: A provider's alias, or "blocklists".
    source = KeyField(_("source"), max_length=64)
    #: [{category, score, severity, detected}]; None = the provider gave none.
    scores = models.JSONField(default=list)
    #: [{blocklist, decision, field, start, end}], never the term's text.
    hits = models.JSONField(default=list)
    #: [{field, start, end, category, weight}] in code points of that field.
    spans = models.JSONField(default=list)
    #: The rules as they were: [{category, scale, review_at, block_at}].
    thresholds = models.JSONField(default=list)
    #: {custom category: version number}.
    versions = models.JSONField(default=dict)
    policy_version = models.PositiveIntegerField(default=0)
    request_id = models.CharField(max_length=100, blank=True)
    latency_ms = models.PositiveIntegerField(default=0)
    raw = models.JSONField(null=True, blank=True)
    #: By STORE_TEXT; None = not kept.
    text = models.TextField(null=True, blank=True)  # noqa: DJ001
    #: The text had changed when the verdict came: kept, acted on nothing.
    is_stale = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=DbNow())

    objects = ResultQuerySet.as_manager()

    class Meta:
        verbose_name = _("moderation result")
        verbose_name_plural = _("moderation results")
        constraints = [
            models.UniqueConstraint(
                fields=["state_id", "generation", "round", "source"],
                name="contentsafety_result_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["model", "object_key"], name="contentsafety_result_object"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.model} {self.object_key}"


class Action(ObjectRow):
    """What is done because of a decision, once a (state, generation, kind)."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("failed")

    state_id = models.BigIntegerField()
    generation = models.PositiveIntegerField()
    kind = KeyField(max_length=40)
    status = models.CharField(
        max_length=9, choices=Status.choices, default=Status.PENDING
    )
    #: Codes and ids, never text.
    payload = models.JSONField(default=dict)
    attempts = models.PositiveIntegerField(default=0)
    available_at = models.DateTimeField(db_default=DbNow())
    lease_token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_error_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(db_default=DbNow())
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("action")
        verbose_name_plural = _("actions")
        constraints = [
            models.UniqueConstraint(
                fields=["state_id", "generation", "kind"],
                name="contentsafety_action_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["status", "available_at"], name="contentsafety_action_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.model} {self.object_key}"


class Coverage(models.Model):
    """Has a full pass seen every object of a model under a policy?"""

    model = KeyField(max_length=100)
    policy = KeyField(max_length=50)
    #: The key at which the reconciler goes on; empty = from the start.
    cursor = KeyField(max_length=255, blank=True)
    checked = models.PositiveBigIntegerField(default=0)
    found = models.PositiveBigIntegerField(default=0)
    pass_started_at = models.DateTimeField(null=True, blank=True)
    pass_ended_at = models.DateTimeField(null=True, blank=True)
    #: Set once a pass has seen every object and all it found is decided; NULL =
    #: incomplete: objects without a state are unknown, not suspect.
    completed_at = models.DateTimeField(null=True, blank=True)
    #: Whether that was ever so. Until then no page changes by what a pass found.
    was_complete = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("coverage")
        verbose_name_plural = _("coverage")
        constraints = [
            models.UniqueConstraint(
                fields=["model", "policy"], name="contentsafety_coverage_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} ({self.policy})"
