"""Turn texts into vectors: hashed n-grams, with no vocabulary, and word embeddings.

One pass serves every head. What a word contributes depends on nothing but the word, so
it is computed once a process while the word recurs, and a score can be told apart by
words exactly.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zlib import crc32

from .embeddings import WIDTH, load_embeddings
from .errors import require
from .rarity import load_rarity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BUCKETS",
    "DIMENSIONS",
    "MAX_CHARS",
    "SCHEME",
    "WIDTH",
    "Features",
    "Word",
    "featurize",
    "read_word",
]

#: Names everything a weight depends on: the normalizer, the n-grams, the hash, the
#: embeddings. It changes whenever one of them does, and an artifact of another scheme
#: is refused.
SCHEME = "hashed-3 static-1"

#: Buckets for words and for characters each. Hashing to 2^14 or 2^18 made no
#: difference beyond noise in the measurements behind this engine.
BUCKETS = 65_536
DIMENSIONS = 2 * BUCKETS

#: Code points of a text that are read; what follows is left out and the result says
#: so. Near 30 ms of CPU.
MAX_CHARS = 20_000

_WORD = re.compile(r"[^\W_]+")
# Longer ones hardly recur.
_MEMO_CHARS = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """A row a text: a sparse vector over the buckets, and a dense one.

    Row `i` has the buckets ``indices[starts[i]:starts[i + 1]]`` with `values` beside
    them; a bucket may occur more than once, and the values of its places add up. Both
    parts of a row have unit length, or none where the text has nothing visible, or no
    word that is known.
    """

    starts: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    dense: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The buckets and the values of a row."""
        mine = slice(self.starts[index], self.starts[index + 1])
        return self.indices[mine], self.values[mine]


@dataclass(slots=True, eq=False)
class Word:
    """What a run of visible characters contributes wherever it stands.

    `grams` are the buckets of its characters 2-5, padded with a space on either side,
    and of its words 1-2, and `values` how rare each is; `pieces` the numbers of its
    rows in the embedding table. `first` and `last` join it to its neighbors: its first
    word, and the hash of its last one; a mere sign has neither.
    """

    grams: NDArray[np.int32]
    values: NDArray[np.float32]
    pieces: NDArray[np.int32]
    first: bytes
    last: int


def featurize(texts: Sequence[str]) -> Features:
    """Return a row for each text, which `repeats.fold` has folded.

    A word's n-grams count 1 + ln(how often it occurs), times their rarity; a pair of
    neighboring words counts once. Raise MissingDependency without numpy.
    """
    require("numpy", "numpy")
    import numpy as np

    rarity = load_rarity()
    grams: list[NDArray[np.int32]] = []
    values: list[NDArray[np.float32]] = []
    times: list[int] = []  # how often what is in the part occurs
    ends = [0]  # how many parts there are up to a row's end
    dense = np.zeros((len(texts), WIDTH), dtype=np.float32)
    for number, text in enumerate(texts):
        chunks = text.split()
        counts = Counter(chunks)
        words = {chunk: read_word(chunk) for chunk in counts}
        grams += [word.grams for word in words.values()]
        values += [word.values for word in words.values()]
        times += counts.values()
        if pairs := set(_pairs([words[chunk] for chunk in chunks])):
            # Sorted: a set's order is no part of a text.
            paired = np.array(sorted(pairs), dtype=np.int32)
            grams.append(paired)
            values.append(rarity[paired])
            times.append(1)
        ends.append(len(grams))
        dense[number] = _embed([word.pieces for word in words.values()], counts)
    sizes = [len(part) for part in grams]
    damped = np.repeat(1 + np.log(np.array(times, dtype=np.float64)), sizes)
    joined = np.concatenate(values) * damped if values else damped
    places = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
    starts = places[ends]
    squares = np.concatenate(([0.0], np.cumsum(joined * joined)))[starts]
    norms = np.sqrt(np.diff(squares))
    norms[norms == 0] = 1
    return Features(
        starts=starts,
        indices=np.concatenate(grams) if grams else np.zeros(0, dtype=np.int32),
        values=(joined / np.repeat(norms, np.diff(starts))).astype(np.float32),
        dense=dense,
    )


def _embed(pieces: list[NDArray[np.int32]], counts: Counter[str]) -> Any:
    """The unit vector of a text's words; 0 where none is known."""
    import numpy as np

    lengths = [len(one) for one in pieces]
    if not any(lengths):
        return 0
    times = np.repeat(np.array([*counts.values()], dtype=np.float32), lengths)
    vector = load_embeddings().sum(np.concatenate(pieces), times)
    return vector / (float(np.sqrt(np.dot(vector, vector))) or 1)


def _pairs(words: list[Word]) -> Iterator[int]:
    spoken = [word for word in words if word.first]
    for left, right in pairwise(spoken):
        yield crc32(right.first, left.last) % BUCKETS


def read_word(chunk: str) -> Word:
    """Return what a run of visible characters contributes."""
    return _memo_word(chunk) if len(chunk) <= _MEMO_CHARS else _read_word(chunk)


def _read_word(chunk: str) -> Word:
    import numpy as np

    words = [b" " + _encode(word) for word in _WORD.findall(chunk)]
    hashes = [crc32(word[1:]) for word in words]
    padded = f" {chunk} "
    length = len(padded)
    places = [
        (low, low + size) for size in (2, 3, 4, 5) for low in range(length - size + 1)
    ]
    if chunk.isascii():
        # A byte a character: the whole is encoded once.
        data = padded.encode()
        grams = [BUCKETS + crc32(data[low:high]) % BUCKETS for low, high in places]
    else:
        grams = [
            BUCKETS + crc32(_encode(padded[low:high])) % BUCKETS for low, high in places
        ]
    grams += [number % BUCKETS for number in hashes]
    # The hash of "left right", carried on from that of "left".
    grams += [
        crc32(right, number) % BUCKETS
        for number, right in zip(hashes, words[1:], strict=False)
    ]
    buckets = np.array(grams, dtype=np.int32)
    return Word(
        grams=buckets,
        values=load_rarity()[buckets],
        pieces=np.array(load_embeddings().wordpiece.ids(chunk), dtype=np.int32),
        first=words[0] if words else b"",
        last=hashes[-1] if hashes else 0,
    )


# Words recur, and this is most of a text's time. Some 8 MB when full.
_memo_word = lru_cache(maxsize=8_192)(_read_word)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
