"""Every way in which a host writes an object that signals see.

A list, because the promise counts them: a new way without an entry here is a way that
nobody has tried. Each entry writes to the alias it is given and returns the texts that
must then be waiting, as {(model, key): generation}.
"""

from __future__ import annotations

import copy
import pickle
import uuid
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core import serializers
from django.db.models import F, Value
from django.db.models.functions import Concat

from django_contentsafety.documents import object_key
from tests.testapp.models import (
    Bulletin,
    Comment,
    CommentProxy,
    Note,
    Page,
    Photo,
    Post,
)

Waiting = dict[tuple[str, str, str], int]
Write = Callable[[str], Waiting]

WRITES: dict[str, Write] = {}


def write(function: Write) -> Write:
    WRITES[function.__name__] = function
    return function


def comment(pk: Any, generation: int = 1) -> Waiting:
    return {("testapp.comment", str(pk), "comments"): generation}


@write
def save_new(using: str) -> Waiting:
    obj = Comment(title="a", body="b")
    obj.save(using=using)
    return comment(obj.pk)


@write
def create(using: str) -> Waiting:
    return comment(Comment.objects.using(using).create(body="b").pk)


@write
def save_with_given_key(using: str) -> Waiting:
    Comment(pk=1_000_077, body="b").save(using=using)
    return comment(1_000_077)


@write
def force_insert(using: str) -> Waiting:
    Comment(pk=1_000_078, body="b").save(using=using, force_insert=True)
    return comment(1_000_078)


@write
def save_changed(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    obj.body = "c"
    obj.save()
    return comment(obj.pk, 2)


@write
def save_unchanged(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    obj.save()
    return comment(obj.pk)


@write
def update_fields_watched(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    obj.body, obj.title = "c", "not written"
    obj.save(update_fields=["body"])
    return comment(obj.pk, 2)


@write
def update_fields_not_all(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    obj.title = "not written"
    obj.save(update_fields=["body"])
    return comment(obj.pk)


@write
def update_fields_unwatched(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    obj.views, obj.body = 5, "not written"
    obj.save(update_fields=["views"])
    return comment(obj.pk)


@write
def deferred_unwatched(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    some = Comment.objects.using(using).only("views").get(pk=obj.pk)
    some.views = 9
    some.save()
    return comment(obj.pk)


@write
def deferred_watched(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(title="a", body="b")
    some = Comment.objects.using(using).defer("title").get(pk=obj.pk)
    some.body = "c"
    some.save()
    return comment(obj.pk, 2)


@write
def expression(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    obj.body = Concat(F("body"), Value(" and more"))
    obj.save()
    return comment(obj.pk, 2)


@write
def stale_full_save(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    stale = Comment.objects.using(using).get(pk=obj.pk)
    obj.body = "c"
    obj.save()
    stale.views = 1
    stale.save()  # Writes "b" again.
    return comment(obj.pk, 3)


@write
def copied_and_pickled(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    twin = pickle.loads(pickle.dumps(copy.deepcopy(obj)))  # noqa: S301
    twin.body = "c"
    twin.save()
    return comment(obj.pk, 2)


@write
def get_or_create(using: str) -> Waiting:
    obj, _ = Comment.objects.using(using).get_or_create(body="got or created")
    return comment(obj.pk)


@write
def update_or_create(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    Comment.objects.using(using).update_or_create(pk=obj.pk, defaults={"body": "c"})
    return comment(obj.pk, 2)


@write
def related_manager(using: str) -> Waiting:
    author = User.objects.using(using).create(username=uuid.uuid4().hex)
    return comment(author.comment_set.create(body="b").pk)


@write
def asave(using: str) -> Waiting:
    obj = Comment(body="b")
    async_to_sync(obj.asave)(using=using)
    return comment(obj.pk)


@write
def acreate(using: str) -> Waiting:
    obj = async_to_sync(Comment.objects.using(using).acreate)(body="b")
    return comment(obj.pk)


@write
def proxy(using: str) -> Waiting:
    obj = CommentProxy.objects.using(using).create(body="b")
    obj.body = "c"
    obj.save()
    return comment(obj.pk, 2)


@write
def child(using: str) -> Waiting:
    obj = Photo(body="b", caption="x")
    obj.save(using=using)
    obj.body = "c"
    obj.save()
    return comment(obj.pk, 2)


@write
def child_caption_only(using: str) -> Waiting:
    obj = Photo.objects.using(using).create(body="b")
    obj.caption = "y"
    obj.save(update_fields=["caption"])
    return comment(obj.pk)


@write
def uuid_key(using: str) -> Waiting:
    key = uuid.uuid4()
    Note(pk=key, text="b").save(using=using)
    stored = key.hex if using in ("default", "other") else str(key)
    return {("testapp.note", stored, "comments"): 1}


@write
def text_keys(using: str) -> Waiting:
    for key in ("KEY-1", "key-1"):
        Page(pk=key, text="b").save(using=using)
    # Two rows, or one: by MariaDB's usual collation.
    keys = Page.objects.using(using).filter(pk__in=["KEY-1", "key-1"])
    return {
        ("testapp.page", key, "comments"): 1
        for key in keys.values_list("pk", flat=True)
    }


@write
def decorated(using: str) -> Waiting:
    obj = Post.objects.using(using).create(headline="a", text="b")
    return {("testapp.post", str(obj.pk), "posts"): 1}


@write
def two_policies(using: str) -> Waiting:
    obj = Bulletin.objects.using(using).create(title="a", body="b")
    obj.body = "c"
    obj.save()
    key = str(obj.pk)
    return {
        ("testapp.bulletin", key, "titles"): 1,
        ("testapp.bulletin", key, "bodies"): 2,
    }


@write
def two_policies_one_save(using: str) -> Waiting:
    obj = Bulletin.objects.using(using).create(title="a", body="b")
    obj.title = "c"
    obj.save(update_fields=["title"])
    key = str(obj.pk)
    return {
        ("testapp.bulletin", key, "titles"): 2,
        ("testapp.bulletin", key, "bodies"): 2,
    }


@write
def draft(using: str) -> Waiting:
    Comment.objects.using(using).create(body="b", is_draft=True)
    return {}


@write
def draft_published(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b", is_draft=True)
    obj.is_draft = False
    obj.save()
    return comment(obj.pk)


@write
def draft_published_alone(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b", is_draft=True)
    obj.is_draft = False
    obj.save(update_fields=["is_draft"])
    return comment(obj.pk)


@write
def draft_published_deferred(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b", is_draft=True)
    some = Comment.objects.using(using).only("is_draft").get(pk=obj.pk)
    some.is_draft = False
    some.save()
    return comment(obj.pk)


@write
def drafts_published_at_once(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b", is_draft=True)
    Comment.objects.using(using).filter(pk=obj.pk).update(is_draft=False)
    return comment(obj.pk)


@write
def published_withdrawn(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    obj.is_draft = True
    obj.save()
    return {}


@write
def raw_fixture(using: str) -> Waiting:
    data = serializers.serialize("json", [Comment(pk=1_000_079, body="b")])
    for loaded in serializers.deserialize("json", data, using=using):
        loaded.save(using=using)
    return {}


@write
def deleted(using: str) -> Waiting:
    Comment.objects.using(using).create(body="b").delete()
    return {}


@write
def proxy_deleted(using: str) -> Waiting:
    CommentProxy.objects.using(using).create(body="b").delete()
    return {}


@write
def child_deleted(using: str) -> Waiting:
    Photo.objects.using(using).create(body="b").delete()
    return {}


@write
def child_deleted_parent_kept(using: str) -> Waiting:
    obj = Photo.objects.using(using).create(body="b")
    key = obj.pk
    obj.delete(keep_parents=True)
    return comment(key)


@write
def queryset_deleted(using: str) -> Waiting:
    Comment.objects.using(using).create(body="b")
    Comment.objects.using(using).all().delete()
    return {}


@write
def cascade_deleted(using: str) -> Waiting:
    author = User.objects.using(using).create(username=uuid.uuid4().hex)
    Comment.objects.using(using).create(body="b", author=author)
    author.delete()
    return {}


@write
def bulk_create(using: str) -> Waiting:
    objs = [Comment(body="b"), Comment(body="c"), Comment(body="d", is_draft=True)]
    made = Comment.objects.using(using).bulk_create(objs)
    return {**comment(made[0].pk), **comment(made[1].pk)}


@write
def bulk_create_with_keys(using: str) -> Waiting:
    keys = [uuid.uuid4(), uuid.uuid4()]
    Note.objects.using(using).bulk_create(Note(pk=key, text="b") for key in keys)
    return {
        ("testapp.note", object_key(Note, key, using), "comments"): 1 for key in keys
    }


@write
def abulk_create(using: str) -> Waiting:
    (made,) = async_to_sync(Comment.objects.using(using).abulk_create)(
        [Comment(body="b")]
    )
    return comment(made.pk)


@write
def queryset_update(using: str) -> Waiting:
    mark = uuid.uuid4().hex
    objs = [Comment.objects.using(using).create(body=mark) for _ in range(3)]
    # The filter finds none of them afterwards.
    Comment.objects.using(using).filter(body=mark).update(body="changed")
    return {key: 2 for obj in objs for key in comment(obj.pk)}


@write
def queryset_update_unwatched(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    Comment.objects.using(using).filter(pk=obj.pk).update(views=4)
    return comment(obj.pk)


@write
def queryset_update_expression(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    mine = Comment.objects.using(using).filter(pk=obj.pk)
    mine.update(body=Concat(F("body"), Value(" and more")))
    return comment(obj.pk, 2)


@write
def aupdate(using: str) -> Waiting:
    obj = Comment.objects.using(using).create(body="b")
    mine = Comment.objects.using(using).filter(pk=obj.pk)
    async_to_sync(mine.aupdate)(body="c")
    return comment(obj.pk, 2)


@write
def bulk_update(using: str) -> Waiting:
    objs = [Comment.objects.using(using).create(body="b") for _ in range(2)]
    objs[0].body = "c"
    Comment.objects.using(using).bulk_update(objs, ["body"])
    return {**comment(objs[0].pk, 2), **comment(objs[1].pk)}


@write
def related_manager_update(using: str) -> Waiting:
    author = User.objects.using(using).create(username=uuid.uuid4().hex)
    obj = author.comment_set.create(body="b")
    author.comment_set.update(body="c")
    return comment(obj.pk, 2)
