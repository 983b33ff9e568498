"""What a process pays for: each step loads what it needs and nothing else."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

from django_contentsafety import engine
from django_contentsafety.engine.artifacts import dump
from django_contentsafety.engine.errors import EngineError, MissingDependency, require

HEAVY = ("numpy", "scipy", "sklearn", "django")
MODULES = [
    f"django_contentsafety.engine.{module.name}"
    for module in pkgutil.iter_modules(engine.__path__)
]


def run(code, *args):
    report = f"; import sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code + report, *args],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("module", MODULES)
def test_each_module_can_be_imported_alone_and_loads_nothing_heavy(module):
    assert run(f"import {module}") == "[]"


def test_parsing_and_matching_load_nothing_heavy():
    code = (
        "from django_contentsafety.engine import normalize, samples, terms;"
        'samples.parse_jsonl(b\'{"text": "x"}\');'
        "terms.TermMatcher(['fool']).find('you f\\u043eol')"
    )
    assert run(code) == "[]"


def test_describing_loads_nothing_heavy_and_scoring_numpy_only(trained, tmp_path):
    path = tmp_path / "artifact"
    path.write_bytes(dump(trained.head, name="made-up", version=1))
    read = (
        "import sys; from django_contentsafety.engine import artifacts;"
        "data = open(sys.argv[1], 'rb').read();"
    )
    assert run(read + "artifacts.describe(data)", str(path)) == "[]"
    score = "head = artifacts.load(data); head.score(['x']); head.explain('x')"
    assert run(read + score, str(path)) == "['numpy']"


def test_a_missing_package_is_named_with_the_remedy():
    with pytest.raises(MissingDependency) as caught:
        require("no_such_package_here", "no-such-package")
    assert isinstance(caught.value, EngineError)
    assert "no-such-package" in str(caught.value)
    assert 'pip install "django-contentsafety[local]"' in str(caught.value)
