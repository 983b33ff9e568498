from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GuestbookConfig(AppConfig):
    name = "example_project.guestbook"
    verbose_name = _("Guestbook")
