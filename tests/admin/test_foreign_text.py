"""Names, definitions, samples and moderated texts are other people's: shown, not run.

Each page is parsed; what a payload would add to it must not be there.
"""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_contentsafety.admin.display import (
    excerpt,
    highlight,
    object_label,
    show_controls,
    show_json,
)
from django_contentsafety.exceptions import ServerError
from django_contentsafety.flows import build, moderate
from django_contentsafety.flows.policies import record_change
from django_contentsafety.models import (
    Blocklist,
    BuildJob,
    Category,
    CategoryVersion,
    LogEntry,
    ModerationResult,
    ModerationState,
    Policy,
    PolicyRule,
    Review,
    Sample,
)
from django_contentsafety.providers import providers
from tests.admin.conftest import CARD, Elements, words
from tests.testapp.models import Comment, Page

PAYLOADS = [
    "<script>alert(1)</script>",
    "</textarea></title></style><script src=//evil.example/x.js></script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)' x='",
    "<a href='javascript:alert(1)'>free</a>",
    "<svg/onload=alert(1)><style>*{display:none}</style>",
    "{{ 7|add:7 }}{% csrf_token %}",
    "\u202eevil\u2066\u200b\u0007\u0085\u2028\ufeff",
]


#: Pages about a version, besides Django's.
VERSION_PAGES = ("activate", "compare", "diff", "retire", "remove", "reinstate")


def url(page: str, model: Any, *args: Any) -> str:
    return reverse(f"admin:contentsafety_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def pages(root: Client, category: Category, policy: Policy) -> list[str]:
    """Every kind of page, with the payloads wherever a person may write something."""
    payload = " ".join(PAYLOADS)
    # A key is written by users too, where it is a slug.
    Comment.objects.create(title=payload[:200], body=payload)
    Page.objects.create(slug=payload[:100], text=payload)
    providers["default"].script = lambda text: {"Hate": 7}
    moderate.drain("default")
    # Neither can hold these by a form; whoever writes to the database can.
    Category.objects.filter(pk=category.pk).update(
        name=payload[:64], definition=payload, provider="default"
    )
    category.refresh_from_db()
    Sample.objects.create(category=category, text=payload, created_by=payload)
    build.freeze(category, by="")
    # So that there is something to compare: a definition, a label, another sample.
    Category.objects.filter(pk=category.pk).update(definition=f"{payload} and more")
    Sample.objects.create(category=category, text=f"{payload}, again")
    category.refresh_from_db()
    version = build.freeze(category, by=payload[:255])
    job = build.start(version, by=payload[:255])
    BuildJob.objects.filter(pk=job.pk).update(
        error_message=payload, raw_status=payload[:100], phase=payload[:60]
    )
    card = {**CARD, "warnings": [payload], "method": payload}
    card["worst_errors"] = [{"index": 0, "is_positive": True, "score": 0.1}]
    CategoryVersion.objects.filter(pk=version.pk).update(
        card=card, status="ready", provider_version=payload[:64]
    )
    blocklist = Blocklist.objects.create(name=payload[:64])
    item = blocklist.items.create(term=payload[:200])
    policy.blocklists.add(blocklist)
    PolicyRule.objects.filter(policy=policy).update(provider=payload[:64])
    Policy.objects.filter(pk=policy.pk).update(fail_open_reason=payload[:200])
    record_change(policy, by=payload[:255], note=payload)
    state = ModerationState.objects.get(model="testapp.comment")
    ModerationState.objects.filter(pk=state.pk).update(author_key=payload[:255])
    Review.objects.create(
        model=state.model,
        object_key=state.object_key,
        policy=state.policy,
        state_id=state.pk,
        generation=1,
        decision="block",
        reviewer_key=payload[:255],
        note=payload,
    )
    ModerationResult.objects.bulk_create(
        [
            ModerationResult(
                model=state.model,
                object_key=state.object_key,
                policy=state.policy,
                state_id=state.pk,
                generation=9,
                round=0,
                source=payload[:64],
                scores=[{"category": payload, "score": 0.5}],
                hits=[{"blocklist": payload, "decision": "block"}],
                spans=[{"field": "body", "start": 0, "end": 9, "category": payload}],
                raw={payload: payload},
                versions={payload: 1},
                request_id=payload[:100],
                text=payload,
                is_stale=True,
            ),
            ModerationResult(
                model=state.model,
                object_key=state.object_key,
                policy=state.policy,
                state_id=state.pk,
                generation=1,
                round=0,
                source="spanning",
                spans=[{"field": "body", "start": 0, "end": 90, "category": payload}],
            ),
        ]
    )
    found = []
    objects = [category, version, job, policy, blocklist, item, *Sample.objects.all()]
    objects += [*ModerationState.objects.all(), *ModerationResult.objects.all()]
    objects += [*LogEntry.objects.all()]
    for obj in objects:
        if obj is item:
            continue
        found.append(url("changelist", type(obj)))
        found += [url(p, type(obj), obj.pk) for p in ("change", "history")]
    for obj in (category, policy, blocklist, *Sample.objects.all()):
        found += [url("delete", type(obj), obj.pk), url("add", type(obj))]
    found += [
        url("upload", Category, category.pk),
        url("try_it", Category, category.pk),
        *(url(page, CategoryVersion, version.pk) for page in VERSION_PAGES),
        url("rejudge", Policy, policy.pk),
        *(url(mode, Policy, policy.pk) for mode in ("live", "shadow", "off")),
    ]
    return sorted(set(found))


@pytest.mark.django_db
def test_no_page_runs_what_somebody_wrote(root: Client, pages: list[str]) -> None:
    assert len(pages) > 35
    for page in pages:
        response = root.get(page)
        assert response.status_code == 200, page
        elements = Elements(response.content.decode())
        assert elements.dangers() == [], page
        assert "evil.example" not in str(
            [attrs.get("src") for _tag, attrs in elements.tags]
        )
        assert "14" not in [data.strip() for data in elements.text], page
        assert "no-store" in response["Cache-Control"], page


@pytest.mark.django_db
def test_payloads_are_shown_as_they_are(root: Client, pages: list[str]) -> None:
    state = ModerationState.objects.get(model="testapp.comment")
    page = words(root.get(url("change", ModerationState, state.pk)))
    for payload in PAYLOADS[:7]:
        assert payload in page
    assert "U+202E evil U+2066 U+200B U+0007 U+0085 U+2028 U+FEFF" in page


@pytest.mark.django_db
def test_a_hostile_file_name_and_messages(root: Client, category: Category) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    for payload in PAYLOADS:
        file = SimpleUploadedFile(f"{payload}.jsonl", b"oops")
        response = root.post(url("upload", Category, category.pk), {"file": file})
        assert response.status_code == 200
        assert Elements(response.content.decode()).dangers() == []
        add = url("add", Category)
        data = {"name": payload, "definition": payload, "provider": payload}
        response = root.post(add, data)
        assert response.status_code == 200
        assert Elements(response.content.decode()).dangers() == []


@pytest.mark.django_db
def test_what_is_tried_and_compared_is_shown_and_never_run(
    root: Client, pages: list[str]
) -> None:
    version = CategoryVersion.objects.get(number=2)
    name = version.category.name
    for payload in PAYLOADS:
        providers["default"].script = lambda text: {name: 0.9}
        response = root.post(
            url("try_it", Category, version.category_id), {"text": payload}
        )
        assert response.status_code == 200
        assert Elements(response.content.decode()).dangers() == []

        def fail(text: str) -> Any:
            raise ServerError(text)

        providers["default"].script = fail
        response = root.post(
            url("try_it", Category, version.category_id), {"text": payload}
        )
        assert Elements(response.content.decode()).dangers() == []
        response = root.get(url("diff", CategoryVersion, version.pk), {"with": payload})
        assert "There is no such version" in words(response)
        assert Elements(response.content.decode()).dangers() == []
    compared = root.get(url("diff", CategoryVersion, version.pk))
    page = words(compared)
    for payload in PAYLOADS[:6]:
        assert payload in page
    assert "U+202E" in page
    assert ("ins", {}) in Elements(compared.content.decode()).tags


@pytest.mark.django_db
def test_a_download_has_a_harmless_name(root: Client, pages: list[str]) -> None:
    for response in (
        root.get(url("export_samples", Category, Category.objects.get().pk)),
        root.get(
            url(
                "export_samples",
                CategoryVersion,
                CategoryVersion.objects.get(number=2).pk,
            )
        ),
    ):
        assert set(response["Content-Disposition"]) <= set(
            'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.;= "'
        )
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
def test_search_words_and_filters_are_escaped(root: Client, pages: list[str]) -> None:
    for page in [page for page in pages if page.endswith(("sample/", "state/"))]:
        for payload in PAYLOADS:
            response = root.get(page, {"q": payload, "model": payload}, follow=True)
            assert Elements(response.content.decode()).dangers() == []


# The functions


def test_controls_are_labeled() -> None:
    shown = show_controls("a\u202eb\x00c\td\ne\u2029")
    assert "\u202e" not in shown
    assert "\x00" not in shown
    assert 'title="RIGHT-TO-LEFT OVERRIDE">U+202E<' in shown
    assert ">U+0000<" in shown
    assert "c\td\ne" in shown
    assert ">U+2029<" in shown


def test_a_lone_surrogate_can_be_sent() -> None:
    shown = show_controls("a\ud800b")
    assert "U+D800" in shown
    shown.encode()


def test_joiners_are_labeled_between_latin_letters_alone() -> None:
    assert "U+200D" in show_controls("sc\u200dam")
    family = "👩\u200d👩\u200d👧"
    assert show_controls(family) == family
    assert show_controls("می\u200cخواهم") == "می\u200cخواهم"


def test_ordinary_text_is_only_escaped() -> None:
    text = "Straße <b> & 'quotes' – 日本語 👍🏽\nline"
    assert html.unescape(show_controls(text)) == text
    assert "<b>" not in show_controls(text)


def test_long_texts_are_cut() -> None:
    assert len(show_controls("a" * 100_000)) < 21_000
    assert "80000 more" in show_controls("a" * 100_000)
    assert len(excerpt("a" * 100_000)) < 200
    assert "…" in excerpt("a" * 81)
    assert "…" not in excerpt("a" * 80)
    assert len(show_json({"a": "b" * 100_000})) < 2_500


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], "abcdef"),
        ([(0, 2, "X")], "[X:ab]cdef"),
        ([(1, 4, "X"), (2, 6, "Y")], "a[X:b][X, Y:cd][Y:ef]"),
        ([(4, 99, "X")], "abcd[X:ef]"),
        ([(-3, 2, "X"), (3, 3, "Y"), (5, 2, "Z")], "abcdef"),
        ([(0, 6, ""), (0, 6, "")], "[:abcdef]"),
    ],
)
def test_spans(spans: list[tuple[int, int, str]], expected: str) -> None:
    marked = highlight(
        "abcdef", [{"start": s, "end": e, "category": c} for s, e, c in spans]
    )
    plain = marked.replace('<mark class="cs-mark-3" title="', "[")
    assert plain.replace('">', ":").replace("</mark>", "]") == expected


def test_heavier_spans_are_marked_stronger() -> None:
    spans = [
        {"start": 0, "end": 1, "category": "x", "weight": 1.0},
        {"start": 1, "end": 2, "category": "x", "weight": 0.4},
        {"start": 2, "end": 3, "category": "x", "weight": 0.01},
        {"start": 3, "end": 4, "category": "x", "weight": -1.0},
    ]
    marked = highlight("abcd", spans)
    for strength, letter in ((3, "a"), (2, "b"), (1, "c"), (1, "d")):
        assert f'<mark class="cs-mark-{strength}" title="x">{letter}</mark>' in marked


def test_spans_never_split_an_escape() -> None:
    marked = highlight("<&>", [{"start": 1, "end": 2, "category": "x"}])
    assert marked == ('&lt;<mark class="cs-mark-3" title="x">&amp;</mark>&gt;')


@pytest.mark.django_db
def test_an_objects_own_name_is_not_used() -> None:
    # Its __str__ may be the text itself.
    Comment.objects.create(title="secret")
    assert object_label("testapp.comment", "1") == "Comment 1"
