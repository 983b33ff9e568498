"""The samples that a card points at: told wrong, or perhaps wrongly labeled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..engine.frozen import read_frozen
from ..engine.head import TokenWeight
from ..engine.samples import Sample as FrozenSample, text_hash
from ..engine.stored_cards import read_card
from ..models import CategoryVersion, Sample
from .display import masked, show_controls

#: Samples that a page lists: told wrong, and perhaps wrongly labeled.
ERRORS, SUSPECTS = 20, 50
#: Characters of a text, and how many of them before the strongest word.
TEXT, BEFORE = 320, 120
#: Words below this share of the strongest one's weight are not marked.
WEAK = 0.2

PERMISSION = "contentsafety.view_sample_text"


def card_samples(
    site: AdminSite, request: HttpRequest, version: CategoryVersion
) -> dict[str, Any]:
    """The worst errors and the suspect labels of the version's card.

    Their texts are for those who may read samples, and a link for those who may see
    the sample, where the category still has it.
    """
    card = read_card(version.card)
    errors = card.worst_errors[:ERRORS]
    suspects = card.suspect_labels[:SUSPECTS]
    wanted = {error.index for error in errors} | set(suspects)
    if not card or not wanted:
        return {}
    data = CategoryVersion.objects.values_list(version.card_column, flat=True)
    frozen = read_frozen(bytes(data.get(pk=version.pk)), wanted)
    links = _links(site, request, version, frozen)
    may_read = request.user.has_perm(PERMISSION)
    tokens = {error.index: error.tokens for error in card.worst_errors}

    def row(index: int, score: float | None) -> dict[str, Any]:
        sample = frozen.get(index)
        return {
            "number": index + 1,
            "text": _text(sample, tokens.get(index, ()), may_read=may_read),
            "is_positive": sample.is_positive if sample else None,
            "score": "" if score is None else f"{score:.2f}",
            "url": links.get(index, ""),
        }

    return {
        "errors": [
            {**row(error.index, error.score), "is_positive": error.is_positive}
            for error in errors
            # The worst errors are the suspect labels, and stand among them.
            if error.index not in suspects
            and (error.index in frozen or version.redacted)
        ],
        "has_tokens": may_read and any(error.tokens for error in errors),
        "all_suspects": len(card.suspect_labels),
        "suspects": [
            row(index, card.scores[index] if index < len(card.scores) else None)
            for index in suspects
            if index in frozen or version.redacted
        ],
        "more_suspects": len(card.suspect_labels) - len(suspects),
    }


def mark_words(text: str, tokens: Sequence[TokenWeight]) -> SafeString:
    """A part of ``text`` in which words are marked by what they say of the category.

    Those that speak for it and those that speak against it look unlike each other, and
    the stronger (1 to 3) the more a word weighs among the others.
    """
    strongest = max(tokens, key=lambda token: abs(token.weight), default=None)
    low = max(strongest.start - BEFORE, 0) if strongest else 0
    # A short text is shown whole; a surrogate or a joiner is not cut from its base
    # more often than any excerpt does it.
    low = 0 if len(text) <= TEXT else min(low, len(text) - TEXT)
    high = min(low + TEXT, len(text))
    heaviest = abs(strongest.weight) if strongest else 0
    pieces: list[SafeString] = []
    at = low
    for token in sorted(tokens, key=lambda token: token.start):
        share = abs(token.weight) / heaviest if heaviest else 0
        if token.start < at or token.end > high or share < WEAK:
            continue
        pieces.append(show_controls(text[at : token.start]))
        pieces.append(
            format_html(
                '<mark class="{}-{}" title="{}">{}</mark>',
                "cs-for" if token.weight > 0 else "cs-against",
                min(3, 1 + int(3 * share)),
                f"{token.weight:+.2f}",
                show_controls(text[token.start : token.end]),
            )
        )
        at = token.end
    pieces.append(show_controls(text[at:high]))
    return format_html(
        '<bdi class="cs-text cs-words">{}{}{}</bdi>',
        "…" if low else "",
        format_html_join("", "{}", ((piece,) for piece in pieces)),
        "…" if high < len(text) else "",
    )


def _text(
    sample: FrozenSample | None, tokens: Sequence[TokenWeight], *, may_read: bool
) -> SafeString:
    if sample is None:
        return format_html('<span class="cs-quiet">{}</span>', _("erased"))
    if not may_read:
        return masked(PERMISSION)
    return mark_words(sample.text, tokens)


def _links(
    site: AdminSite,
    request: HttpRequest,
    version: CategoryVersion,
    frozen: dict[int, FrozenSample],
) -> dict[int, str]:
    """The pages of those samples that the category still has."""
    samples = site._registry.get(Sample)
    if samples is None or not samples.has_view_permission(request):
        return {}
    hashes = {index: text_hash(sample.text) for index, sample in frozen.items()}
    keys = _keys(version, hashes.values())
    name = f"{site.name}:contentsafety_sample_change"
    return {
        index: reverse(name, args=[quote(keys[key])])
        for index, key in hashes.items()
        if key in keys
    }


def _keys(version: CategoryVersion, hashes: Collection[str]) -> dict[str, int]:
    rows = Sample.objects.filter(category=version.category_id, text_hash__in=hashes)
    return dict(rows.values_list("text_hash", "pk"))
