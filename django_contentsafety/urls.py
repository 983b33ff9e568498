"""For the host: ``path("contentsafety/", include("django_contentsafety.urls"))``."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "contentsafety"
urlpatterns = [
    path("health/", views.health, name="health"),
    path("metrics/", views.metrics, name="metrics"),
]
