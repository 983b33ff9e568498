"""The guestbook's page: a form, and what guests have written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from .forms import EntryForm
from .models import Entry

PAGE_SIZE = 20

#: Where a session keeps the entries that were written in it, newest last.
OWN_ENTRIES = "guestbook_entries"
#: How many of them it keeps, so that a session can't grow without end.
OWN_ENTRIES_KEPT = 50


@require_http_methods(["GET", "HEAD", "POST"])
def guestbook(request: HttpRequest) -> HttpResponse:
    """Show the visible entries, newest first; a POST adds one."""
    form = EntryForm(
        request.POST if request.method == "POST" else None,
        initial=_initial(request),
        label_suffix="",
    )
    if request.method == "POST" and form.is_valid():
        entry = form.save(commit=False)
        if request.user.is_authenticated:
            entry.author = request.user
        entry.save()
        _remember(request, entry)
        query = urlencode({"entry": entry.pk})
        return redirect(f"{reverse('guestbook')}?{query}")
    entries = Entry.objects.visible(request.user)
    page = Paginator(entries, PAGE_SIZE).get_page(request.GET.get("page"))
    written = _written(request)
    own = [entry for entry in page if _is_author(request, entry)]
    context = {
        "form": form,
        "page": page,
        "written": written,
        "own": own,
        "published": _published([*own, written] if written else own),
    }
    return render(request, "guestbook/page.html", context)


def _initial(request: HttpRequest) -> dict[str, Any]:
    if request.user.is_authenticated:
        return {"name": request.user.get_full_name() or request.user.get_username()}
    return {}


def _remember(request: HttpRequest, entry: Entry) -> None:
    """Note in the session whose entry this is: a guest has no other identity."""
    own = request.session.get(OWN_ENTRIES, [])
    request.session[OWN_ENTRIES] = [*own, entry.pk][-OWN_ENTRIES_KEPT:]


def _written(request: HttpRequest) -> Entry | None:
    """Return the entry that ``?entry=`` names, to those alone who wrote it."""
    value = request.GET.get("entry", "")
    # The longest key of a BigAutoField has 19 digits.
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        return None
    entry = Entry.objects.filter(pk=int(value)).first()
    if entry is None:
        return None
    own = request.session.get(OWN_ENTRIES, [])
    return entry if entry.pk in own or _is_author(request, entry) else None


def _is_author(request: HttpRequest, entry: Entry) -> bool:
    return request.user.is_authenticated and entry.author_id == request.user.pk


def _published(entries: Sequence[Entry]) -> set[int]:
    """Return the keys of those that a stranger may read: authors see more."""
    if not entries:
        return set()
    keys = [entry.pk for entry in entries]
    return set(Entry.objects.visible().filter(pk__in=keys).values_list("pk", flat=True))
