"""What words contribute to a text's vector, made of many words at a time.

What a word contributes depends on nothing but the word. The hash of an n-gram is the
CRC-32 of its bytes: of strings of one length that is one constant and, for each byte, a
number that goes by its value and its distance from the end, all joined by "exclusive
or". So the hashes of all n-grams are looked up at once, instead of one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING
from zlib import crc32

from .embeddings import load_embeddings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BUCKETS", "Words", "pair_up", "read_words", "spread_out"]

#: Buckets for words and for characters each. Hashing to 2^14 or 2^18 made no
#: difference beyond noise in the measurements behind this engine.
BUCKETS = 65_536

# Characters of an n-gram.
_SIZES = (2, 3, 4, 5)
_WORD = re.compile(r"[^\W_]+")
# Longer ones hardly recur.
_MEMO_CHARS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """What runs of visible characters contribute wherever they stand.

    Word `i` has the buckets ``grams[starts[i]:starts[i + 1]]``, of its characters 2-5,
    padded with a space on either side, and of its words 1-2; ``pieces[i]`` are the
    numbers of its rows in the embedding table. `firsts` and `lasts` join it to its
    neighbors: its first word, and the hash of its last one; a mere sign has an empty
    first word.
    """

    grams: NDArray[np.int32]
    starts: NDArray[np.int64]
    pieces: Sequence[Sequence[int]]
    firsts: Sequence[bytes]
    lasts: Sequence[int]

    def __len__(self) -> int:
        return len(self.firsts)


def pair_up(words: Words, numbers: Sequence[int]) -> list[int]:
    """Return the bucket of each pair of neighbors among these words.

    None of them is a mere sign: signs between two words do not part them.
    """
    firsts, lasts = words.firsts, words.lasts
    # The hash of "left right", carried on from that of "left".
    return [
        crc32(firsts[right], lasts[left]) % BUCKETS for left, right in pairwise(numbers)
    ]


def read_words(chunks: Sequence[str]) -> Words:
    """Return what each of these runs of visible characters contributes."""
    found = [
        _memo_word(chunk) if len(chunk) <= _MEMO_CHARS else _read_word(chunk)
        for chunk in chunks
    ]
    firsts, hashed, pieces = zip(*found, strict=True) if found else ((), (), ())
    grams, starts = _hash(chunks, hashed)
    return Words(
        grams=grams,
        starts=starts,
        pieces=pieces,
        firsts=firsts,
        lasts=[own[0] if own else 0 for own in hashed],
    )


def _read_word(chunk: str) -> tuple[bytes, tuple[int, ...], tuple[int, ...]]:
    """A run's first word, the hashes of its words and pairs, and its pieces.

    The last word's hash comes first.
    """
    wordpiece = load_embeddings().wordpiece
    if chunk.isalnum():
        data = _encode(chunk)
        known = wordpiece.number(chunk) if chunk.isascii() else None
        pieces = wordpiece.ids(chunk) if known is None else (known,)
        return b" " + data, (crc32(data),), tuple(pieces)
    words = [b" " + _encode(word) for word in _WORD.findall(chunk)]
    numbers = [crc32(word[1:]) for word in words]
    # The hash of "left right", carried on from that of "left".
    pairs = map(crc32, words[1:], numbers[:-1])
    return (
        words[0] if words else b"",
        (*numbers[::-1], *pairs),
        tuple(wordpiece.ids(chunk)),
    )


# Words recur. Some 3 MB when full.
_memo_word = lru_cache(maxsize=8_192)(_read_word)


def _hash(
    chunks: Sequence[str], hashed: Sequence[Sequence[int]]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The buckets of the chunks, and where each chunk's begin; and where all end."""
    import numpy as np

    if all(map(str.isascii, chunks)):
        return _hash_bytes(chunks, hashed)
    plain = [number for number, chunk in enumerate(chunks) if chunk.isascii()]
    some, starts = _hash_bytes(
        [chunks[number] for number in plain], [hashed[number] for number in plain]
    )
    cuts = pairwise(starts.tolist())
    parts = []
    for chunk, own in zip(chunks, hashed, strict=True):
        if chunk.isascii():
            start, end = next(cuts)
            parts.append(some[start:end])
        else:
            numbers = [*_hash_chars(chunk), *(number % BUCKETS for number in own)]
            parts.append(np.array(numbers, dtype=np.int32))
    sizes = [0, *accumulate(map(len, parts))]
    return np.concatenate(parts), np.array(sizes, dtype=np.int64)


def _hash_bytes(
    chunks: Sequence[str], hashed: Sequence[Sequence[int]]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The same of chunks of ASCII, in which a character is a byte."""
    import numpy as np

    lengths = np.array([*map(len, chunks)], dtype=np.int64) + 2
    ends = lengths.cumsum()
    before = ends - lengths
    tables, constants, backs = _tables()
    most = len(_SIZES)
    # What lies before the first character is in no n-gram that counts.
    text = f"{' ' * most} {'  '.join(chunks)} ".encode() if chunks else b" " * most
    found = tables[:, np.frombuffer(text, dtype=np.uint8)]
    size = len(text) - most
    grams = np.empty((size, most + 1), dtype=np.int32)
    current = found[0, most:]
    for back in range(1, most + 1):
        # The n-gram that ends here, one character longer.
        current = current ^ found[back, most - back : -back]
        grams[:, back - 1] = current
    grams[:, :most] ^= constants
    # A character's place in its own chunk says how long an n-gram may end there.
    place = np.arange(size) - before.repeat(lengths)
    counts = np.zeros((size, most + 1), dtype=bool)
    np.greater_equal(place[:, None], backs, out=counts[:, :most])
    # The words of a chunk are fewer than its characters: they stand beside these.
    rows = [
        start + number
        for start, own in zip(before.tolist(), hashed, strict=True)
        for number in range(len(own))
    ]
    numbers = np.array([*chain.from_iterable(hashed)], dtype=np.uint32)
    grams[rows, most] = numbers % BUCKETS
    counts[rows, most] = True
    starts = np.zeros(len(chunks) + 1, dtype=np.int64)
    starts[1:] = counts.sum(axis=1).cumsum()[ends - 1]
    return grams[counts], starts


@lru_cache(maxsize=1)
def _tables() -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """A row a distance from the end, a number a byte; a constant a size; how far a
    size reaches back."""
    import numpy as np

    zeros = [crc32(bytes(size)) for size in range(max(_SIZES) + 1)]
    rows = [
        [
            (crc32(bytes([byte]) + bytes(back)) ^ zeros[back + 1]) % BUCKETS
            for byte in range(256)
        ]
        for back in range(max(_SIZES))
    ]
    return (
        np.array(rows, dtype=np.int32),
        # With the bit by which the buckets of characters follow those of words.
        np.array([BUCKETS + zeros[size] % BUCKETS for size in _SIZES], dtype=np.int32),
        np.array(_SIZES) - 1,
    )


# Outside of ASCII a character is several bytes, so its n-grams are hashed one by one.
@lru_cache(maxsize=4_096)
def _hash_chars(chunk: str) -> list[int]:
    padded = [_encode(char) for char in f" {chunk} "]
    return [
        BUCKETS + crc32(b"".join(padded[end - size : end])) % BUCKETS
        for end in range(2, len(padded) + 1)
        for size in _SIZES
        if size <= end
    ]


def spread_out(
    starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The places from each start on, so many as its size, one after the other."""
    import numpy as np

    ends = sizes.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    shifts: NDArray[np.int64] = (starts - ends + sizes).repeat(sizes)
    return np.arange(total) + shifts


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
