"""Wires the rooms together once every app is loaded."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class ContentSafetyConfig(AppConfig):
    name = "django_contentsafety"
    label = "contentsafety"
    verbose_name = _("Content safety")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, receivers, tasks  # noqa: F401 - they register
        from .flows.founding import found_policies
        from .registry import registry

        autodiscover_modules("moderation")
        for moderation in registry:
            receivers.connect(moderation.model)
        # From now on a late registration is connected at once.
        registry.on_register = receivers.connect
        post_migrate.connect(
            found_policies, sender=self, dispatch_uid="contentsafety.policies"
        )
