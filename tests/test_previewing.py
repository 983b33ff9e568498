"""A preview says what an import does, and stores nothing."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given, settings as hypothesis_settings, strategies as st
from hypothesis.extra.django import TestCase

from django_contentsafety.admin.uploads import SALT
from django_contentsafety.exceptions import RefusedError
from django_contentsafety.flows.importing import import_samples
from django_contentsafety.flows.previewing import (
    LISTED,
    PROBLEMS,
    Preview,
    preview_samples,
)
from django_contentsafety.models import Category, LogEntry, Sample

pytestmark = pytest.mark.django_db


@pytest.fixture
def category(db: None) -> Category:
    return Category.objects.create(name="scam", definition="d", provider="local")


def lines(*rows: tuple[str, bool]) -> bytes:
    return b"".join(
        json.dumps({"text": text, "isPositive": label}).encode() + b"\n"
        for text, label in rows
    )


def kinds(preview: Preview) -> dict[int | None, str]:
    return {row.line: row.kind for row in preview.rows}


def test_each_kind_of_row(category: Category) -> None:
    import_samples(category, lines(("One.", True), ("two", False)), filename="", by="")
    data = lines(
        ("new", True),
        ("two", False),
        ("two", True),
        ("ONE!", False),
        ("n e w", True),
        ("new", True),
        ("new", False),
        (" ", True),
    )
    data += b'{"text": "' + b"x" * 1_000_001 + b'"}\noops\n'
    preview = preview_samples(category, data)
    assert kinds(preview) == {
        1: "new",
        2: "known",
        3: "contradicts",
        4: "near_duplicate",
        5: "near_duplicate",
        6: "duplicate",
        7: "contradicts",
        8: "empty",
        9: "too_long",
        10: "unreadable",
    }
    assert preview.counts == Counter(kinds(preview).values())
    assert (preview.positives, preview.negatives, preview.problems) == (2, 1, 5)
    assert (preview.all_positives, preview.all_negatives) == (3, 2)
    near = {row.line: row.message for row in preview.rows if "near" in row.kind}
    assert "a sample of the category" in near[4]
    assert "line 1" in near[5]
    for row in preview.rows:
        assert bool(row.message) == (row.kind not in ("new", "known"))


def test_it_says_what_providers_would_still_demand(category: Category) -> None:
    preview = preview_samples(category, lines(("one", True)))
    # The dummy, as "default", builds from anything.
    assert preview.demands["default"] == ()
    (demand,) = preview.demands["local"]
    assert demand.startswith("Too few samples: the provider local needs at least")
    assert "positive" in demand
    many = [(f"text {n}", n % 2 == 0) for n in range(40)]
    assert preview_samples(category, lines(*many)).demands["local"] == ()


def test_it_stores_nothing(category: Category) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        preview_samples(category, lines(("one", True), ("two", False)))
    assert all(q["sql"].startswith("SELECT") for q in queries.captured_queries)
    assert not Sample.objects.exists()


def test_long_files_list_some_of_each_kind(category: Category) -> None:
    rows = [(f"text {n}", True) for n in range(10_000)]
    preview = preview_samples(category, lines(*rows) + b"oops\n" * 300)
    assert preview.counts == {"new": 10_000, "unreadable": 300}
    listed = Counter(row.kind for row in preview.rows)
    assert listed == {"new": LISTED, "unreadable": LISTED}
    assert preview.rows[0].kind == "unreadable"


class TestAgreement(TestCase):
    @hypothesis_settings(max_examples=60)
    @given(
        st.lists(st.tuples(st.sampled_from("aAbc d"), st.booleans()), max_size=8),
        st.lists(st.tuples(st.sampled_from("aAbc d"), st.booleans()), max_size=8),
    )
    def test_what_it_says_is_what_an_import_does(
        self, there: list[tuple[str, bool]], given_: list[tuple[str, bool]]
    ) -> None:
        category = Category.objects.create(name="scam", definition="d")
        for text, label in dict(there).items():
            Sample.objects.filter(category=category, text=text.strip()).delete()
            if text.strip():
                Sample.objects.create(category=category, text=text, is_positive=label)
        before = category.samples.count()
        data = lines(*given_)
        preview = preview_samples(category, data)
        try:
            done = import_samples(category, data, filename="f", by="", skip=True)
        except RefusedError:
            assert preview.added == 0
        else:
            assert (done.added, done.known) == (
                preview.added,
                preview.counts.get("known", 0),
            )
            left_out = [*PROBLEMS, "duplicate"]
            counted = sum(preview.counts.get(kind, 0) for kind in left_out)
            assert done.skipped == counted
        assert category.samples.count() == before + preview.added
        positives = category.samples.filter(is_positive=True).count()
        assert positives == preview.all_positives
        category.delete()


# --- The page ---------------------------------------------------------------------


@pytest.fixture
def upload(category: Category) -> str:
    return reverse("admin:contentsafety_category_upload", args=[category.pk])


def test_what_is_confirmed_is_what_was_seen(
    admin_client: Client, category: Category, upload: str
) -> None:
    data = b'text;isPositive\n"a;\r\nb";yes\n'
    file = SimpleUploadedFile("sheet.csv", data)
    page = admin_client.post(upload, {"file": file})
    assert not Sample.objects.exists()
    assert not LogEntry.objects.filter(event="samples_imported").exists()
    admin_client.post(upload, {"token": page.context["token"]})
    assert Sample.objects.get().text == "a;\r\nb"
    entry = LogEntry.objects.get(event="samples_imported")
    assert entry.details == {"added": 1, "known": 0, "skipped": 0}
    # Twice is once.
    again = admin_client.post(upload, {"token": page.context["token"]}, follow=True)
    assert "0 samples were added. 1 was there already." in again.content.decode()


@pytest.mark.parametrize("case", ["forged", "another category's", "nonsense"])
def test_a_token_that_is_not_ours_stores_nothing(
    admin_client: Client, category: Category, upload: str, case: str
) -> None:
    page = admin_client.post(upload, {"pasted": '{"text": "x"}'})
    token = page.context["token"]
    if case == "forged":
        token = signing.dumps(
            {**signing.loads(token, salt=SALT), "source": "api"}, salt="another"
        )
    elif case == "nonsense":
        token = "nonsense"
    else:
        other = Category.objects.create(name="other", definition="d")
        upload = reverse("admin:contentsafety_category_upload", args=[other.pk])
    answer = admin_client.post(upload, {"token": token}, follow=True)
    assert "no longer valid" in answer.content.decode()
    assert not Sample.objects.exists()


def test_a_large_file_is_chosen_again_and_must_be_the_same(
    admin_client: Client, category: Category, upload: str, settings: object
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2000  # type: ignore[attr-defined]
    data = lines(*[(f"{n * 7919:x}", True) for n in range(2000)])
    page = admin_client.post(upload, {"file": SimpleUploadedFile("f.jsonl", data)})
    token = page.context["token"]
    assert page.context["again"]
    assert len(token) < 1000
    other = SimpleUploadedFile("f.jsonl", data + lines(("one more", True)))
    for form in ({"token": token}, {"token": token, "file": other}):
        answer = admin_client.post(upload, form, follow=True)
        assert "not the file of the preview" in answer.content.decode()
    assert not Sample.objects.exists()
    same = SimpleUploadedFile("g.jsonl", data)
    admin_client.post(upload, {"token": token, "file": same})
    assert Sample.objects.count() == 2000
