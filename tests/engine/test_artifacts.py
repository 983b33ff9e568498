from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest

from django_contentsafety.engine.artifacts import describe, dump, load
from django_contentsafety.engine.classifier import train
from django_contentsafety.engine.errors import ArtifactError
from django_contentsafety.engine.features import DIMENSIONS, WIDTH

from .made_up import make_samples
from .tricky import ODD_TEXTS


@pytest.fixture(scope="module")
def artifact(trained):
    return dump(trained.head, name="made-up", version=3)


def sealed(body, version=2):
    number = struct.pack(">H", version)
    return b"DJCSHEAD" + number + hashlib.sha256(number + body).digest() + body


def with_header(artifact, **changes):
    """The artifact with another header, and a checksum that agrees."""
    (length,) = struct.unpack(">I", artifact[42:46])
    header = json.loads(artifact[46 : 46 + length]) | changes
    encoded = json.dumps(header).encode()
    return sealed(struct.pack(">I", len(encoded)) + encoded + artifact[46 + length :])


def test_a_stored_head_scores_exactly_as_before(trained, artifact):
    texts = [sample.text for sample in make_samples(50, 50, seed=9)]
    texts += [text[:1000] for text in ODD_TEXTS.values()]
    head = load(artifact)
    assert head.score(texts) == trained.head.score(texts)
    assert head.threshold == trained.head.threshold
    assert head.explain(texts[0]) == trained.head.explain(texts[0])
    assert dump(head, name="made-up", version=3) == artifact


def test_a_description_names_the_category(artifact):
    described = describe(artifact)
    assert (described["name"], described["version"]) == ("made-up", 3)
    assert described["bytes"] == len(artifact)


def test_artifacts_are_small(artifact):
    assert len(artifact) < 60_000
    large = train(make_samples(1000, 1000)).head
    full = np.full(DIMENSIONS, 7, dtype=np.int8)
    for head in (large, type(large)(**_fields(large) | {"weights": full})):
        assert len(dump(head, name="n" * 64, version=10**6)) < 150_000


def _fields(head):
    return {name: getattr(head, name) for name in type(head).__slots__}


def test_loaded_weights_cannot_be_changed(artifact):
    with pytest.raises(ValueError, match="read-only"):
        load(artifact).weights[0] = 1


def test_damage_anywhere_is_refused(artifact):
    # Every byte of the header, then some in each of the arrays.
    places = [*range(400), *range(400, len(artifact), 211), len(artifact) - 1]
    for place in places:
        for flip in (0x01, 0x80):
            damaged = bytearray(artifact)
            damaged[place] ^= flip
            with pytest.raises(ArtifactError):
                load(bytes(damaged))
            with pytest.raises(ArtifactError):
                describe(bytes(damaged))


def test_a_part_is_refused_and_so_is_more(artifact):
    for length in [*range(400), *range(400, len(artifact), 211), len(artifact) - 1]:
        with pytest.raises(ArtifactError):
            load(artifact[:length])
    with pytest.raises(ArtifactError):
        load(artifact + b"\0")


def test_a_newer_format_is_refused_by_name(artifact):
    with pytest.raises(ArtifactError, match=r"version 3.*Upgrade"):
        load(sealed(artifact[42:], version=3))


def test_an_older_format_is_refused_with_the_remedy(artifact):
    with pytest.raises(ArtifactError, match=r"version 1.*Build the version again"):
        load(sealed(artifact[42:], version=1))


#: A header that no head of this engine has, and a word of the refusal.
BAD_HEADERS = {
    "other features": ({"features": "hashed-0"}, "other features"),
    "other size": ({"dimensions": 8}, "other features"),
    "other width": ({"width": 128}, "other features"),
    "no name": ({"name": None}, "name"),
    "version is true": ({"version": True}, "version"),
    "weights missing": ({"nonzero": 1}, "another size"),
    "weights below zero": ({"nonzero": -16384}, "another size"),
    "scale is NaN": ({"scale": float("nan")}, "scale"),
    "bias is infinite": ({"bias": float("-inf")}, "bias"),
    "bias is huge": ({"bias": 1e300}, "bias"),
    "bias is text": ({"bias": "1"}, "bias"),
    "scale is 0": ({"scale": 0.0}, "above 0"),
    "slope below 0": ({"slope": -1.0}, "above 0"),
    "threshold above 1": ({"threshold": 1.5}, "threshold"),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_a_false_header_is_refused_even_with_a_true_checksum(artifact, name):
    changes, reason = BAD_HEADERS[name]
    with pytest.raises(ArtifactError, match=reason):
        load(with_header(artifact, **changes))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        struct.pack(">I", 2) + b"[]",
        struct.pack(">I", 2) + b"{}",
        struct.pack(">I", 2**32 - 1) + b"{}",
        struct.pack(">I", 100_000) + b"[" * 100_000,
        struct.pack(">I", 1) + b"\xff",
    ],
)
def test_a_false_body_is_refused_even_with_a_true_checksum(body):
    with pytest.raises(ArtifactError):
        load(sealed(body))


def test_a_bitmap_must_agree_with_the_weights(artifact):
    (length,) = struct.unpack(">I", artifact[42:46])
    body = bytearray(artifact[42:])
    body[4 + length + 4 * WIDTH] ^= 0x10
    with pytest.raises(ArtifactError, match="do not agree"):
        load(sealed(bytes(body)))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e30])
def test_dense_weights_must_be_usable(artifact, number):
    (length,) = struct.unpack(">I", artifact[42:46])
    body = bytearray(artifact[42:])
    body[4 + length : 8 + length] = struct.pack(">f", number)
    with pytest.raises(ArtifactError, match="usable numbers"):
        load(sealed(bytes(body)))
