"""The encoder's forward pass in double precision: BERT in numpy, and no more of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

__all__ = ["Encoder", "read_safetensors"]

_LAYERS = 6
_HEADS = 12
_EPSILON = 1e-12  # config.json: layer_norm_eps
_CLS, _SEP = 101, 102

Array = NDArray[np.float64]


def read_safetensors(path: Path) -> dict[str, Array]:
    """Return the float32 tensors of a file, widened to double precision.

    The format: 8 bytes of length, a JSON header, the arrays.
    """
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, facts in header.items():
        if facts.get("dtype") != "F32":
            continue
        start, end = (8 + length + place for place in facts["data_offsets"])
        flat = np.frombuffer(data[start:end], dtype="<f4").astype("float64")
        tensors[name] = flat.reshape(facts["shape"])
    return tensors


class Encoder:
    """Sentence vectors of all-MiniLM-L6-v2, before they are scaled to unit length."""

    def __init__(self, tensors: dict[str, Array]) -> None:
        self._tensors = tensors

    def encode(self, ids: Sequence[Sequence[int]]) -> Array:
        """Return the mean over all places of the last layer; all rows are as long."""
        rows = np.array([[_CLS, *row, _SEP] for row in ids])
        words = self._tensors["embeddings.word_embeddings.weight"][rows]
        places = self._tensors["embeddings.position_embeddings.weight"]
        kinds = self._tensors["embeddings.token_type_embeddings.weight"]
        state = words + places[: rows.shape[1]] + kinds[0]
        state = self._norm("embeddings.LayerNorm", state)
        for layer in range(_LAYERS):
            state = self._layer(f"encoder.layer.{layer}", state)
        return np.asarray(state.mean(axis=1))

    def _layer(self, name: str, state: Array) -> Array:
        part = f"{name}.attention"
        query, key, value = (
            self._parted(self._linear(f"{part}.self.{which}", state))
            for which in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(-1, -2) / np.sqrt(query.shape[-1])
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed = (shares @ value).swapaxes(1, 2).reshape(state.shape)
        mixed = self._linear(f"{part}.output.dense", mixed)
        state = self._norm(f"{part}.output.LayerNorm", state + mixed)
        inner = self._linear(f"{name}.intermediate.dense", state)
        inner *= 0.5 * (1 + erf(inner / np.sqrt(2)))
        inner = self._linear(f"{name}.output.dense", inner)
        return self._norm(f"{name}.output.LayerNorm", state + inner)

    def _parted(self, state: Array) -> Array:
        rows, length, width = state.shape
        return state.reshape(rows, length, _HEADS, width // _HEADS).swapaxes(1, 2)

    def _linear(self, name: str, state: Array) -> Array:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        # Two axes, or numpy multiplies a matrix a row.
        flat = state.reshape(-1, state.shape[-1]) @ weight.T + bias
        return np.asarray(flat.reshape(*state.shape[:-1], -1))

    def _norm(self, name: str, state: Array) -> Array:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        centered = state - state.mean(axis=-1, keepdims=True)
        variance = (centered * centered).mean(axis=-1, keepdims=True)
        return np.asarray(centered / np.sqrt(variance + _EPSILON) * weight + bias)
