"""Export on a category's page, import on the list."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from django_contentsafety.models import Category, LogEntry
from tests.admin.conftest import Elements, said, words
from tests.test_bundling import files_of, make_category, sealed

pytestmark = pytest.mark.django_db

IMPORT = "admin:contentsafety_category_import"


def exported(root: Client, category: Category) -> bytes:
    page = reverse("admin:contentsafety_category_export", args=[category.pk])
    return root.post(page).content


def preview(root: Client, data: bytes, **form: str) -> Any:
    file = SimpleUploadedFile("b.zip", data)
    return root.post(reverse(IMPORT), {"file": file, **form}, follow=True)


def test_out_and_in_again(root: Client) -> None:
    category = make_category()
    data = exported(root, category)
    entries = LogEntry.objects.count()
    shown = preview(root, data, name="moved")
    page = words(shown)
    assert "Preview of moved" in page
    assert "25 positive, 26 negative" in page
    assert Elements(shown.content.decode()).dangers() == []
    assert (Category.objects.count(), LogEntry.objects.count()) == (1, entries)
    done = root.post(reverse(IMPORT), {"token": shown.context["token"]}, follow=True)
    assert "moved is imported. No version of it is active yet." in said(done)
    moved = Category.objects.get(name="moved")
    assert moved.versions.count() == 2
    # Twice is refused.
    again = root.post(reverse(IMPORT), {"token": shown.context["token"]}, follow=True)
    assert "already" in said(again)


def test_a_name_that_is_taken_says_so_before(root: Client) -> None:
    shown = preview(root, exported(root, make_category()))
    assert "give the imported one another name" in words(shown)
    assert "token" not in shown.context


def test_another_file_than_the_previewed_is_refused(
    root: Client, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000
    data = exported(root, make_category())
    shown = preview(root, data, name="moved")
    assert shown.context["again"]
    token = shown.context["token"]
    form = {"token": token, "file": SimpleUploadedFile("b.zip", data + b"x")}
    done = root.post(reverse(IMPORT), form, follow=True)
    assert "not the file of the preview" in said(done)
    form = {"token": token, "file": SimpleUploadedFile("b.zip", data)}
    done = root.post(reverse(IMPORT), form, follow=True)
    assert "moved is imported" in said(done)


def test_no_bundle_is_said_in_words(root: Client) -> None:
    assert "no zip" in said(preview(root, b'{"text": "a"}'))


def test_markup_in_a_bundle_is_shown_and_not_run(root: Client) -> None:
    files = files_of(exported(root, make_category()))
    evil = "<script>alert(1)</script>\u202e"

    def change(manifest: Any) -> None:
        manifest["category"] |= {"name": evil, "definition": evil, "provider": evil}

    shown = preview(root, sealed(files, change))
    html = shown.content.decode()
    assert "<script>alert(1)" not in html
    assert "\u202e" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert Category.objects.count() == 1
