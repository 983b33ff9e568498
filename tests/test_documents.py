"""What is moderated of an object: its text, the hash of it, its key."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import CharField
from django.db.models.functions import Cast, Concat
from django.test import override_settings
from hypothesis import example, given, strategies as st

from django_contentsafety.checks import registrations
from django_contentsafety.documents import (
    JOIN,
    Document,
    key_of,
    needs_reading,
    object_key,
    user_key,
)
from django_contentsafety.verdicts import Span
from tests.testapp.models import Comment, Note, Page, Photo

from .engine.tricky import any_text

NAMES = ["title", "body", "note"]

documents = st.lists(any_text, min_size=1, max_size=3).map(
    lambda texts: Document(tuple(zip(NAMES, texts, strict=False)))
)
# Short texts of few letters, so that different documents often look alike.
alike = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.text(alphabet="x\n\"',[]", max_size=3)),
    min_size=1,
    max_size=3,
).map(lambda parts: Document(tuple(parts)))


@given(documents, st.integers(-5, 50), st.integers(-5, 50))
@example(Document((("title", ""), ("body", ""), ("note", ""))), 0, 4)
@example(Document((("title", "a"), ("body", "\U0001f600e\u0301"))), 3, 6)
def test_a_range_is_mapped_to_the_very_code_points(document, start, end):
    spans = document.locate(start, end, category="Hate", weight=0.5)
    texts = dict(document.parts)
    # What the spans say is what the range covers, less the joins.
    covered = []
    offset = 0
    for name, text in document.parts:
        covered += [
            (name, index, character)
            for index, character in enumerate(text)
            if start <= offset + index < end
        ]
        offset += len(text) + len(JOIN)
    told = [
        (span.field, index, texts[span.field][index])
        for span in spans
        for index in range(span.start, span.end)
    ]
    assert told == covered
    for span in spans:
        assert 0 <= span.start < span.end <= len(texts[span.field])
        assert (span.category, span.weight) == ("Hate", 0.5)
    assert len({span.field for span in spans}) == len(spans)


@given(documents, st.data())
def test_a_range_within_one_field_is_that_fields_text(document, data):
    index = data.draw(st.integers(0, len(document.parts) - 1))
    name, text = document.parts[index]
    before = sum(len(text) + len(JOIN) for _, text in document.parts[:index])
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    assert document.text[before + start : before + end] == text[start:end]
    expected = [Span(field=name, start=start, end=end)] if start < end else []
    assert document.locate(before + start, before + end) == expected


@given(documents)
def test_the_join_alone_is_nobodys(document):
    offset = 0
    for _, text in document.parts[:-1]:
        offset += len(text)
        assert document.text[offset : offset + len(JOIN)] == JOIN
        assert document.locate(offset, offset + len(JOIN)) == []
        offset += len(JOIN)
    assert document.locate(len(document.text), len(document.text) + 9) == []


def test_fields_keep_their_declared_order():
    values = {"body": "b", "title": None, "n": 7}
    document = Document.of(["title", "n", "body"], values)
    assert document.parts == (("title", ""), ("n", "7"), ("body", "b"))
    assert document.text == "\n\n7\n\nb"


@given(alike, alike)
@example(
    Document((("a", "x"), ("b", ""))),
    Document((("a", ""), ("b", "x"))),
)
@example(Document((("a", "x\n\ny"),)), Document((("a", "x"), ("b", "y"))))
@example(Document((("a", 'x"],["b","'),)), Document((("a", "x"), ("b", ""))))
def test_the_hash_changes_where_the_names_and_values_do(one, other):
    assert (one.hash() == other.hash()) == (one.parts == other.parts)
    assert other.matches(*one.hash()) == (one.parts == other.parts)


@given(documents)
@example(Document((("title", "\ud800\x00"),)))
def test_any_str_has_a_hash(document):
    content_hash, key_id = document.hash()
    assert (len(content_hash), len(key_id)) == (64, 8)
    assert document.matches(content_hash, key_id)


def test_lone_surrogates_and_what_encodes_alike_differ():
    texts = [
        "\ud800",
        "\udc00",
        "\ufffd",
        "?",
        "\\ud800",
        "",
        "\x00",
        "e\u0301",
        "\u00e9",
    ]
    hashes = {Document((("body", text),)).hash() for text in texts}
    assert len(hashes) == len(texts)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"title": None, "body": "x"}, {"title": "", "body": "x"}, True),
        ({"title": "x", "body": ""}, {"title": "", "body": "x"}, False),
        ({"title": "x", "body": ""}, {"title": "x ", "body": ""}, False),
        ({"title": 1, "body": ""}, {"title": "1", "body": ""}, True),
    ],
)
def test_what_counts_as_the_same_text(one, other, same):
    first, second = (Document.of(["title", "body"], v) for v in (one, other))
    assert (first.hash() == second.hash()) is same


def test_the_hash_does_not_tell_the_text_to_who_lacks_the_key():
    document = Document((("body", "x"),))
    with override_settings(CONTENTSAFETY_HASH_KEY="one"):
        first = document.hash()
    with override_settings(CONTENTSAFETY_HASH_KEY="two"):
        second = document.hash()
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_a_rotated_key_is_recognized_until_it_is_dropped():
    document, other = Document((("body", "x"),)), Document((("body", "y"),))
    with override_settings(CONTENTSAFETY_HASH_KEY="old"):
        stored = document.hash()
    with override_settings(
        CONTENTSAFETY_HASH_KEY="new", CONTENTSAFETY_HASH_KEY_FALLBACKS=["old"]
    ):
        assert document.matches(*stored)
        assert not other.matches(*stored)
        # What is written from now on is under the new key.
        assert document.hash()[1] != stored[1]
    with override_settings(CONTENTSAFETY_HASH_KEY="new"):
        # Nobody can tell any more, so it counts as changed: looked at again.
        assert not document.matches(*stored)


def test_a_row_without_a_key_id_counts_as_changed():
    document = Document((("body", "x"),))
    assert not document.matches("", "")
    assert not document.matches(document.hash()[0], "")


KEYS = {
    "negative": (Comment, -17),
    # No greater: MariaDB counts on from here, whatever is rolled back.
    "great": (Comment, 2**53 + 1),
    "plain": (Comment, 1),
    "child": (Photo, 42),
    "uuid": (Note, uuid.UUID("0aB1c2d3-0000-4000-8000-00000000000f")),
    "nil": (Note, uuid.UUID(int=0)),
    "text": (Page, "KEY-1"),
    "lower": (Page, "key-1"),
    "blank at the end": (Page, "KEY-1 "),
    "blank alone": (Page, " "),
    "empty": (Page, ""),
    "digits": (Page, "007"),
    "percent": (Page, "100%_\\'\""),
    "astral": (Page, "\U0001f600" * 100),
    "combining": (Page, "e\u0301"),
    "long": (Page, "\u00e9" * 100),
}


def insert(model, pk, using):
    """A row without a moderation: these tests are about the key alone."""
    if model is Photo:
        insert(Comment, pk, using)
    obj = model(pk=pk)
    obj.save_base(raw=True, using=using, force_insert=True)


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("case", KEYS)
def test_a_key_is_what_the_database_casts_it_to(using, case):
    model, value = KEYS[case]
    insert(model, value, using)
    cast = model._base_manager.using(using).annotate(
        key=Cast("pk", CharField(max_length=255))
    )
    stored = cast.get(pk=value)
    assert object_key(model, value, using) == stored.key
    assert key_of(model, stored, using) == stored.key
    # As a host may hold it: the text of a key from a URL.
    assert object_key(model, str(value), using) == stored.key
    if model is Photo:
        assert key_of(Comment, stored, using) == stored.key


def test_every_kind_of_key_that_the_checks_accept_has_a_case():
    kinds = {type(model._meta.pk) for model, _ in KEYS.values()}
    for accepted in registrations.KEY_FIELDS:
        assert any(issubclass(kind, accepted) for kind in kinds), accepted


@pytest.mark.parametrize(
    ("user", "key"),
    [
        (None, ""),
        (AnonymousUser(), ""),
        (User(pk=7), "7"),
        (User(), ""),
        (7, "7"),
        ("7", "7"),
        (0, "0"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_a_user_is_named_by_its_key(user, key):
    assert user_key(user) == key


@pytest.mark.django_db
def test_what_must_be_read_back():
    Comment(pk=1, title="t", body="b").save_base(raw=True)
    loaded = Comment.objects.get(pk=1)
    assert not needs_reading(loaded, ["title", "body"])
    assert needs_reading(Comment.objects.defer("body").get(pk=1), ["title", "body"])
    assert not needs_reading(Comment.objects.defer("body").get(pk=1), ["title"])
    loaded.title = Concat("title", "body")
    assert needs_reading(loaded, ["title", "body"])
    assert not needs_reading(loaded, ["body"])
