"""The guestbook at the root, the admin beside it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from .guestbook.views import guestbook

urlpatterns = [
    path("", guestbook, name="guestbook"),
    path("admin/", admin.site.urls),
]
