"""Foreign text on our pages: escaped, bounded, and with nothing hidden in it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ..registry import registry

#: Characters of a text in a list, and on a page of its own.
EXCERPT, PAGE = 80, 20_000
#: Characters of a JSON value (style.md §2.21).
JSON = 2_000
#: Joiners: needed inside emoji and several scripts, a trick between Latin letters.
JOINERS = "\u200c\u200d"


def show_controls(text: str, limit: int = PAGE) -> SafeString:
    """``text`` escaped, with its invisible characters made visible.

    Bidirectional overrides, control characters, line separators and lone surrogates
    (which no response could carry) become little labels. Cut after ``limit``
    characters, saying so.
    """
    cut = len(text) - limit
    shown = format_html_join("", "{}", ((piece,) for piece in _pieces(text[:limit])))
    if cut <= 0:
        return shown
    more = _("… and %(count)d more characters") % {"count": cut}
    return format_html('{} <span class="cs-quiet">{}</span>', shown, more)


def excerpt(text: str, limit: int = EXCERPT) -> SafeString:
    """The beginning of ``text`` in one line."""
    short = " ".join(text[: limit * 4].split())
    return format_html(
        '<bdi class="cs-text">{}{}</bdi>',
        show_controls(short[:limit]),
        "…" if len(short) > limit or len(text) > limit * 4 else "",
    )


def highlight(text: str, spans: Iterable[Mapping[str, Any]]) -> SafeString:
    """``text`` with each of ``spans`` in a <mark> that names its categories.

    The more a span weighs among the others, the stronger its mark (1 to 3).
    """
    bounded = text[:PAGE]
    spans = list(spans)
    heaviest = max((span.get("weight") or 0 for span in spans), default=0)
    marks = [
        (
            start,
            end,
            str(span.get("category") or span.get("blocklist") or ""),
            _strength(span.get("weight"), heaviest),
        )
        for span in spans
        if 0 <= (start := span["start"]) < (end := min(span["end"], len(bounded)))
    ]
    edges = sorted({0, len(bounded), *(e for m in marks for e in m[:2])})
    pieces = []
    for low, high in pairwise(edges):
        here = [(n, w) for s, e, n, w in marks if s <= low and high <= e]
        piece = show_controls(bounded[low:high])
        if here:
            piece = format_html(
                '<mark class="cs-mark-{}" title="{}">{}</mark>',
                max(strength for _name, strength in here),
                ", ".join(sorted({name for name, _strength in here})),
                piece,
            )
        pieces.append((piece,))
    shown = format_html_join("", "{}", pieces)
    if len(text) > PAGE:
        more = _("… and %(count)d more characters") % {"count": len(text) - PAGE}
        return format_html('{} <span class="cs-quiet">{}</span>', shown, more)
    return shown


def show_json(value: Any) -> SafeString:
    """A JSON value, pretty and bounded."""
    pretty = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
    return format_html('<pre class="cs-json">{}</pre>', show_controls(pretty, JSON))


def masked(permission: str) -> SafeString:
    """In the place of a text that this person may not read."""
    return format_html(
        '<span class="cs-quiet" title="{}">•••</span>',
        _("Reading it needs the permission “%s”.") % permission,
    )


def badge(value: str, label: object = "") -> SafeString:
    """A status or decision as a small colored label."""
    if not value:
        return format_html('<span class="cs-quiet">{}</span>', "–")
    return format_html(
        '<span class="cs-badge cs-{}">{}</span>', value, capfirst(str(label or value))
    )


def bar(value: float, ticks: Sequence[float | None] = ()) -> SafeString:
    """A share of 0 to 1 as a bar, with a tick for each threshold."""
    lines = format_html_join(
        "",
        '<line class="cs-tick" x1="{0}" x2="{0}" y1="0" y2="8"/>',
        ((f"{min(max(tick, 0), 1) * 100:.1f}",) for tick in ticks if tick is not None),
    )
    return format_html(
        '<svg class="cs-bar" viewBox="0 0 100 8" preserveAspectRatio="none" '
        'aria-hidden="true"><rect class="cs-track" y="2" width="100" height="4"/>'
        '<rect class="cs-fill" y="2" width="{}" height="4"/>{}</svg>',
        f"{min(max(value, 0), 1) * 100:.1f}",
        lines,
    )


def object_label(model: str, object_key: str) -> str:
    """An object in words, without its text: its own ``__str__`` may hold that."""
    moderation = registry.by_label(model)
    name = moderation.model._meta.verbose_name if moderation else model
    return f"{capfirst(str(name))} {object_key}"


def object_link(
    site: AdminSite, request: HttpRequest, model: str, object_key: str
) -> SafeString:
    """The object's label, linked where the site's admin shows it to this person."""
    label = show_controls(object_label(model, object_key), 120)
    moderation = registry.by_label(model)
    if moderation is None:
        return label
    host = site._registry.get(moderation.model)
    if host is None or not host.has_view_permission(request):
        return label
    opts = moderation.model._meta
    try:
        pk = opts.pk.to_python(object_key)
        url = reverse(
            f"{site.name}:{opts.app_label}_{opts.model_name}_change", args=[quote(pk)]
        )
    except (ValidationError, NoReverseMatch):
        return label
    return format_html('<a href="{}">{}</a>', url, label)


def actor_names(keys: Iterable[str]) -> dict[str, str]:
    """Users' names by key, in one query; a key that is no user's stands for itself."""
    users = get_user_model()
    names = {key: key for key in keys if key}
    pks = {}
    for key in names:
        try:
            pks[users._meta.pk.to_python(key)] = key
        except ValidationError:
            continue
    if pks:
        for user in users._default_manager.filter(pk__in=list(pks)):
            names[pks[user.pk]] = user.get_username()
    return names


def _strength(weight: float | None, heaviest: float) -> int:
    if weight is None or heaviest <= 0:
        return 3
    return min(3, 1 + int(3 * max(weight, 0) / heaviest))


def _pieces(text: str) -> Iterable[str | SafeString]:
    run: list[str] = []
    before = ""
    for char in text:
        if _is_hidden(char, before):
            if run:
                yield "".join(run)
                run = []
            yield _label(char)
        else:
            run.append(char)
        before = char
    if run:
        yield "".join(run)


def _is_hidden(char: str, before: str) -> bool:
    if char in "\n\t" or " " <= char <= "~":
        return False
    if char in JOINERS:
        return before < "\u0300"
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _label(char: str) -> SafeString:
    return format_html(
        '<span class="cs-control" title="{}">U+{}</span>',
        unicodedata.name(char, _("control character")),
        f"{ord(char):04X}",
    )
