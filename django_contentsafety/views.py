"""What a monitor asks: health as JSON, metrics for Prometheus. To staff or a token."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .conf import settings
from .flows.invariants import survey

View = Callable[[HttpRequest], HttpResponse]


def _for_monitors(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if not _may_ask(request):
            return HttpResponse(
                "Only for staff, or with CONTENTSAFETY_HEALTH_TOKEN.\n",
                content_type="text/plain",
                status=403,
            )
        return view(request)

    # A failing query must not spoil the next one: no transaction around them. And a
    # monitor with a token isn't logged in.
    return login_not_required(
        transaction.non_atomic_requests(never_cache(require_safe(guarded)))
    )


@_for_monitors
def health(request: HttpRequest) -> HttpResponse:
    """The facts as JSON: 200 where all hold, else 503. No texts, no objects."""
    facts = survey()
    ok = all(fact.ok for fact in facts)
    rows = [
        {
            "name": fact.name,
            "database": fact.database,
            "ok": fact.ok,
            "value": fact.value,
            "unit": fact.unit,
        }
        for fact in facts
    ]
    return JsonResponse({"ok": ok, "checks": rows}, status=200 if ok else 503)


@_for_monitors
def metrics(request: HttpRequest) -> HttpResponse:
    """The facts for Prometheus; 501 without the extra ``metrics``."""
    try:
        from .metrics import scrape
    except ImportError:
        return HttpResponse(
            'Install it first: pip install "django-contentsafety[metrics]"\n',
            content_type="text/plain",
            status=501,
        )
    body, content_type = scrape(request.headers.get("Accept", ""))
    return HttpResponse(body, content_type=content_type)


def _may_ask(request: HttpRequest) -> bool:
    # The token first: it is asked of no table, so it opens while the database is down.
    expected = settings.HEALTH_TOKEN
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if expected and scheme.lower() == "bearer":
        return constant_time_compare(token.strip(), expected)
    user = getattr(request, "user", None)
    return bool(user is not None and user.is_active and user.is_staff)
