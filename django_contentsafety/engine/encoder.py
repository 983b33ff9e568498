"""Turn texts into the vectors of all-MiniLM-L6-v2: the mean of what it says of each
piece, of unit length.

The model reads 128 pieces at a time. A longer text is parted evenly, and all parts
count by their pieces, so that nothing is cut off but what `MAX_PIECES` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from .embeddings import load_embeddings
from .errors import require
from .minilm import load_session
from .tiers import MINILM

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_PIECES", "encode", "shares"]

#: Pieces that the model sees at once, as it did when it was trained, without the marks
#: before and after them.
SLICE = 126
#: Pieces of a text that are read: the windows of a long text have 100 to 200, and only
#: scripts that the vocabulary hardly knows have more. The n-grams read on.
MAX_PIECES = 4 * SLICE

_CLS, _SEP = 101, 102
# Pieces that go through the model together: some 15 MB between two of its layers.
_AT_ONCE = 2048


def encode(
    texts: Sequence[str], parts: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Return a row for each text, which `repeats.fold` has folded; 0 for a blank one.

    `parts` says how many rows in turn belong together: where it is more than one, the
    first is a whole and the others are its windows, and the whole is what they say
    together. Raise MissingDependency and ModelError as `minilm.load_session` does.
    """
    require("numpy", "numpy")
    import numpy as np

    sizes = [1] * len(texts) if parts is None else parts
    starts = [0, *accumulate(sizes)]
    wholes = {start for start, size in zip(starts, sizes, strict=False) if size > 1}
    cut = load_embeddings().wordpiece.ids
    slices = [
        (number, part)
        for number, text in enumerate(texts)
        if number not in wholes
        for part in _slices(cut(text)[:MAX_PIECES])
    ]
    sums = np.zeros((len(slices), MINILM.width), dtype=np.float32)
    for place, states in _read([part for _, part in slices]):
        sums[place] = states.sum(axis=0)
    found = np.zeros((len(texts), MINILM.width), dtype=np.float32)
    # In the order of the text, whatever that of the batches was.
    for (number, _), one in zip(slices, sums, strict=True):
        found[number] += one
    for start, size in zip(starts, sizes, strict=False):
        if size > 1:
            found[start] = found[start + 1 : start + size].sum(axis=0)
    lengths = np.sqrt((found * found).sum(axis=1, keepdims=True))
    found /= np.where(lengths > 0, lengths, np.float32(1))
    return found


def shares(chunks: Sequence[str], weights: NDArray[np.float32]) -> list[float]:
    """Return what each chunk of a text adds to `weights` times the text's vector.

    They add up to it: a text's vector is a sum over its pieces. What the model says at
    its own two marks is shared by all pieces alike.
    """
    import numpy as np

    owners, said, norm = _said(tuple(chunks))
    found = np.zeros(len(chunks))
    place = 0
    for states in said:
        values = states.astype(np.float64) @ weights
        count = len(values) - 2
        marks = (values[0] + values[-1]) / count
        np.add.at(found, owners[place : place + count], values[1:-1] + marks)
        place += count
    return [float(value) / norm for value in found]


# Several heads explain a text, one after the other.
@lru_cache(maxsize=8)
def _said(
    chunks: tuple[str, ...],
) -> tuple[list[int], list[NDArray[np.float32]], float]:
    """The chunk of each piece, a row a piece and mark, a slice each, and the norm."""
    import numpy as np

    cut = load_embeddings().wordpiece.ids
    owners: list[int] = []
    pieces: list[int] = []
    for number, chunk in enumerate(chunks):
        mine = cut(chunk)
        pieces += mine
        owners += [number] * len(mine)
    slices = _slices(pieces[:MAX_PIECES])
    said = dict(_read(slices))
    whole = np.zeros(MINILM.width)
    for states in said.values():
        whole += states.sum(axis=0)
    norm = float(np.sqrt(np.dot(whole, whole))) or 1.0
    return owners, [said[number].copy() for number in range(len(slices))], norm


def _slices(pieces: list[int]) -> list[list[int]]:
    """Part the pieces into as few slices as possible, as even as possible."""
    if not pieces:
        return []
    count = -(-len(pieces) // SLICE)
    ends = [len(pieces) * number // count for number in range(count + 1)]
    return [pieces[ends[n] : ends[n + 1]] for n in range(count)]


def _read(slices: Sequence[list[int]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield each slice's place, and a row for each of its pieces and the two marks."""
    import numpy as np

    if not slices:
        return
    session = load_session()
    # Slices of a length go together, so that hardly any place is left empty.
    order = sorted(range(len(slices)), key=lambda place: len(slices[place]))
    while order:
        width = 2 + len(slices[order[0]])
        count = 1
        while count < len(order):
            width = 2 + len(slices[order[count]])
            if width * (count + 1) > _AT_ONCE:
                break
            count += 1
        some, order = order[:count], order[count:]
        width = 2 + len(slices[some[-1]])
        ids = np.zeros((count, width), dtype=np.int64)
        seen = np.zeros_like(ids)
        for row, place in enumerate(some):
            whole = [_CLS, *slices[place], _SEP]
            ids[row, : len(whole)] = whole
            seen[row, : len(whole)] = 1
        (states,) = session.run(
            ["last_hidden_state"],
            {
                "input_ids": ids,
                "attention_mask": seen,
                "token_type_ids": np.zeros_like(ids),
            },
        )
        for row, place in enumerate(some):
            yield place, states[row, : 2 + len(slices[place])]
