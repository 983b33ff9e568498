"""Which models are moderated, how they are found, and whose a text is."""

from __future__ import annotations

import functools
import sys

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.test.utils import isolate_apps

from django_contentsafety import ModelModeration, moderate, register, registry as module
from django_contentsafety.exceptions import AlreadyRegistered
from django_contentsafety.registry import Registry
from tests.testapp.models import (
    Bulletin,
    Comment,
    CommentProxy,
    Note,
    Page,
    Photo,
    Post,
)


class ByText(ModelModeration):
    fields = ("text",)


@pytest.fixture
def registry(monkeypatch):
    """An empty registry in the place of the real one; models stay unconnected."""
    empty = Registry()
    monkeypatch.setattr(module, "registry", empty)
    return empty


def test_autodiscovery_found_what_the_test_app_registers():
    assert {moderation.model for moderation in module.registry} >= {
        Comment,
        Note,
        Page,
        Bulletin,
        Post,
    }
    assert "tests.testapp.moderation" in sys.modules
    assert module.registry.get(Comment).documents == {"comments": ("title", "body")}
    assert module.registry.get(Post).documents == {"posts": ("headline", "text")}
    assert type(module.registry.get(Post)).__name__ == "PostModeration"


def test_register_keeps_the_class_and_takes_several_models(registry):
    assert register(Note, Page)(ByText) is ByText
    assert [type(registry.get(model)) for model in (Note, Page)] == [ByText, ByText]
    assert registry.get(Note) is not registry.get(Page)
    assert Note in registry
    assert Comment not in registry
    assert registry.get(Comment) is None


def test_moderate_keeps_the_model(registry):
    decorate = moderate("title", "body", policy="p", author="author")
    assert decorate(Comment) is Comment
    moderation = registry.get(Comment)
    assert moderation.documents == {"p": ("title", "body")}
    assert moderation.watched == {"title", "body"}
    assert moderation.author == "author"
    assert moderate("text")(Note) is Note
    assert registry.get(Note).documents == {"default": ("text",)}


def test_twice_is_refused_with_the_remedy(registry):
    register(Note)(ByText)
    with pytest.raises(AlreadyRegistered, match="one registration several policies"):
        register(Note)(ByText)
    assert issubclass(AlreadyRegistered, ImproperlyConfigured)


def test_a_proxy_is_refused_and_its_model_named(registry):
    with pytest.raises(ImproperlyConfigured, match="register Comment, which covers"):
        register(CommentProxy)(ByText)


@isolate_apps("tests.testapp")
def test_an_abstract_model_is_refused(registry):
    class Text(models.Model):
        text = models.TextField()

        class Meta:
            abstract = True
            app_label = "testapp"

    with pytest.raises(ImproperlyConfigured, match="Text is abstract"):
        register(Text)(ByText)
    assert list(registry) == []


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "names no fields for the policy 'default'"),
        ({"policies": {"a": ["text"], "b": []}}, "names no fields for the policy 'b'"),
        ({"fields": "text"}, "write a list"),
        ({"policies": {"a": "text"}}, "write a list"),
    ],
)
def test_fields_must_be_named(registry, attributes, message):
    moderation = type("NoteModeration", (ModelModeration,), attributes)
    with pytest.raises(ImproperlyConfigured, match=f"NoteModeration.*{message}"):
        register(Note)(moderation)
    assert Note not in registry


def test_several_policies_replace_the_one(registry):
    @register(Comment)
    class Both(ModelModeration):
        fields = ("views",)
        policy = "unused"
        policies = {"titles": ["title"], "bodies": ["title", "body"]}

    moderation = registry.get(Comment)
    # Sorted, because this is the order in which states are locked.
    assert list(moderation.documents.items()) == [
        ("bodies", ("title", "body")),
        ("titles", ("title",)),
    ]
    assert moderation.watched == {"title", "body"}


def test_policies_are_sorted_and_named_once(registry):
    moderate("body", policy="b")(Comment)
    moderate("text", policy="a")(Note)
    moderate("text", policy="b")(Page)
    assert registry.policies() == ["a", "b"]


def test_covering_names_the_model_and_its_parents(registry):
    moderate("body", policy="comments")(Comment)
    moderate("caption", policy="photos")(Photo)

    def covering(model):
        return [moderation.model for moderation in registry.covering(model)]

    assert covering(Comment) == [Comment]
    assert covering(CommentProxy) == [Comment]
    assert covering(Photo) == [Photo, Comment]
    assert covering(Note) == []


def test_a_label_finds_its_moderation(registry):
    moderate("body")(Comment)
    assert registry.by_label("testapp.comment") is registry.get(Comment)
    assert registry.by_label("testapp.Comment") is None
    assert registry.by_label("testapp.note") is None


def test_a_late_registration_is_connected_and_forgotten_again(registry):
    connected = []
    moderate("text")(Note)
    registry.on_register = connected.append
    moderate("text")(Page)
    assert connected == [Page]
    registry.unregister(Page)
    registry.unregister(Page)
    assert Page not in registry


@pytest.mark.parametrize(
    ("routed", "setting", "expected"),
    [
        ({}, None, ["default"]),
        ({"note": "other"}, None, ["default", "other"]),
        ({"note": "other", "comment": "other"}, None, ["other"]),
        ({"note": "other"}, ["default"], ["default"]),
        ({}, [], []),
    ],
)
def test_databases_are_where_the_models_are_written(
    registry, settings, routed, setting, expected
):
    class Router:
        def db_for_write(self, model, **hints):
            return routed.get(model._meta.model_name)

    settings.DATABASE_ROUTERS = [Router()]
    settings.CONTENTSAFETY_DATABASES = setting
    moderate("body")(Comment)
    moderate("text")(Note)
    assert registry.databases() == expected


def nobody(obj):
    return None


def first_reader(obj):
    return obj.readers[0]


def nth_reader(obj, *, n):
    return obj.readers[n]


def method(self, obj):
    return f"{type(self).__name__} {obj.owner_id}"


class Callable:
    def __call__(self, obj):
        return obj.owner_id


#: What ``author`` is and which fields the model has → whose the text is.
AUTHORS = {
    "author": (None, ["author"], 1),
    "user": (None, ["user"], 1),
    "owner": (None, ["owner"], 1),
    "created_by": (None, ["created_by"], 1),
    "the first of the names": (None, ["created_by", "user"], 2),
    "no such name": (None, ["writer"], None),
    "not to a user": (None, ["author to another"], None),
    "not a foreign key": (None, ["author as text"], None),
    "none": (None, [], None),
    "by name": ("writer", ["author", "writer"], 2),
    "by path": ("parent.author", [], 3),
    "by path to nothing": ("parent.parent.author", [], None),
    "by a plain attribute": ("nickname", [], "nick"),
    "by a wrong name": ("nowhere", ["author"], None),
    "by a function": (first_reader, ["author"], 7),
    "by a lambda": (lambda obj: obj.owner_id, ["author", "owner"], 2),
    "by a static method": (staticmethod(first_reader), ["author"], 7),
    "by an object": (Callable(), ["author", "owner"], 2),
    # Python 3.13 wants a partial in a class wrapped: later ones would bind it.
    "by a partial": (staticmethod(functools.partial(nth_reader, n=1)), [], 8),
    "by a method": (method, ["owner"], "TextModeration 1"),
    "by a function that knows none": (nobody, ["author"], None),
}


@pytest.mark.parametrize("case", AUTHORS)
@isolate_apps("tests.testapp")
def test_the_author(registry, case):
    author, names, expected = AUTHORS[case]

    class Base(models.Model):
        class Meta:
            app_label = "testapp"

    key = functools.partial(
        models.ForeignKey, on_delete=models.CASCADE, related_name="+", null=True
    )
    fields = {}
    for name in names:
        word, _, kind = name.partition(" ")
        if kind == "to another":
            fields[word] = key(Base)
        elif kind == "as text":
            fields[word] = models.CharField(max_length=9)
        else:
            fields[word] = key(User)
    fields["nickname"] = models.CharField(max_length=9, default="nick")
    meta = type("Meta", (), {"app_label": "testapp"})
    model = type(
        "Text", (models.Model,), {"__module__": __name__, "Meta": meta, **fields}
    )
    moderation = type(
        "TextModeration", (ModelModeration,), {"fields": ["nickname"], "author": author}
    )(model)
    obj = model()
    for number, name in enumerate(names, start=1):
        word, _, kind = name.partition(" ")
        setattr(obj, word if kind == "as text" else f"{word}_id", number)
    obj.parent = Comment(author_id=3)
    obj.readers = [7, 8]
    if case == "not a foreign key":
        assert moderation._default_author is None
    else:
        assert moderation.get_author(obj) == expected


def test_the_author_costs_no_query(django_assert_num_queries, db):
    user = User.objects.create(username="u")
    comment = Comment.objects.create(author=user)
    comment = Comment.objects.get(pk=comment.pk)
    moderation = module.registry.get(Comment)
    with django_assert_num_queries(0):
        assert moderation.get_author(comment) == user.pk
        assert moderation.get_author(Comment()) is None


def test_the_hooks_have_defaults():
    moderation = module.registry.get(Note)
    assert moderation.should_moderate(Note()) is True
    assert moderation.priority(Note()) == 0


@isolate_apps("tests.testapp")
def test_an_author_named_by_another_column_is_known_by_its_key(registry):
    class Review(models.Model):
        author = models.ForeignKey(User, models.CASCADE, to_field="username")
        text = models.TextField()

        class Meta:
            app_label = "testapp"

    register(Review)(ByText)
    user = User(pk=7, username="ann")
    assert registry.get(Review).get_author(Review(author=user)) is user


def test_which_saves_are_looked_at():
    class Some(ModelModeration):
        fields = ("body",)

    class Hooked(Some):
        def should_moderate(self, obj):
            return not obj.is_draft

    class Declared(Hooked):
        depends_on = ("is_draft", "author")

    assert Some(Comment).looked_at == {"body"}
    assert Hooked(Comment).looked_at is None  # Nobody knows what it reads.
    assert Declared(Comment).looked_at == {"body", "is_draft", "author", "author_id"}
