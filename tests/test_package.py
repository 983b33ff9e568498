"""What importing the package costs and needs, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import django_contentsafety

ROOT = Path(__file__).parent.parent

#: A host whose models come before ours in INSTALLED_APPS and import our querysets.
HOST_FIRST = """
import sys
from pathlib import Path
from tests.settings import *
INSTALLED_APPS = [
    "tests.testapp",
    *(app for app in INSTALLED_APPS if app != "tests.testapp"),
]
"""

#: Loaded by no import of ours that a host's settings or models do.
HEAVY = ["celery", "kombu", "numpy", "sklearn", "requests", "rest_framework"]
WATCHED = [*HEAVY, "django", "django.db.models"]


def run(code, folder=None, **environment):
    """What ``code`` prints, in a new Python."""
    environment = {
        **{k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"},
        "PYTHONPATH": os.pathsep.join([str(folder or ROOT), str(ROOT), *sys.path]),
        "PYTHONWARNINGS": "error",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


LOADED = f"""
import sys
print(*(name for name in {WATCHED} if name in sys.modules))
"""


def test_importing_the_package_loads_nothing():
    assert run(f"import django_contentsafety{LOADED}") == []


def test_a_settings_file_may_use_provider_from_url():
    code = f"""
from django_contentsafety import provider_from_url
print(provider_from_url("local://?seed=1")["OPTIONS"]["seed"])
{LOADED}
from django.conf import settings
print(settings.configured)
"""
    assert run(code) == ["1", "django", "False"]


@pytest.mark.parametrize("module", ["conf", "verdicts", "exceptions", "signals"])
def test_the_lowest_layers_load_nothing_heavy(module):
    loaded = run(f"import django_contentsafety.{module}{LOADED}")
    assert set(loaded) <= {"django", "django.db.models"}


def test_a_hosts_models_import_our_querysets_cheaply_and_first(tmp_path):
    """``INSTALLED_APPS`` lists the host before us."""
    (tmp_path / "host_first.py").write_text(HOST_FIRST, encoding="utf-8")
    code = f"""
import sys
from django.apps.registry import Apps, apps
import tests.testapp
from django.apps import AppConfig

original = AppConfig.import_models
def import_models(self):
    original(self)
    if self.name == "tests.testapp":
        assert "django_contentsafety.querysets" in sys.modules
        print(*(name for name in {HEAVY} if name in sys.modules))
        print("imported")
AppConfig.import_models = import_models
import django
django.setup()
from tests.testapp.models import Comment
from django_contentsafety.registry import registry
print(Comment in registry)
"""
    assert run(code, tmp_path, DJANGO_SETTINGS_MODULE="host_first") == [
        "imported",
        "True",
    ]


@pytest.mark.parametrize("name", django_contentsafety.__all__)
def test_a_public_name_is_always_the_same_object(name):
    """Nothing that is imported later may stand in front of it."""
    code = f"""
import django
django.setup()
import django_contentsafety as package
from importlib import import_module
home = package._PUBLIC.get({name!r})
first = getattr(package, {name!r})
again = getattr(package, {name!r})
home = import_module(f"django_contentsafety.{{home}}") if home else package
print(first is again is getattr(home, {name!r}))
"""
    assert run(code, DJANGO_SETTINGS_MODULE="tests.settings") == ["True"]


def test_another_name_is_missing_as_from_any_module():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        django_contentsafety.nothing  # noqa: B018
    with pytest.raises(ImportError):
        from django_contentsafety import nothing  # noqa: F401


@pytest.mark.parametrize("field", ["AutoField", "BigAutoField", "SmallAutoField"])
def test_no_migration_is_missing_whatever_the_hosts_default_key(tmp_path, field):
    settings = (
        "from tests.settings import *\n"
        f"DEFAULT_AUTO_FIELD = 'django.db.models.{field}'\n"
    )
    (tmp_path / "other_default.py").write_text(settings, encoding="utf-8")
    code = """
import django
django.setup()
from django.core.management import call_command
call_command("makemigrations", "contentsafety", check=True, dry_run=True, verbosity=0)
print("none")
"""
    environment = {"DJANGO_SETTINGS_MODULE": "other_default"}
    assert run(code, tmp_path, **environment) == ["none"]


def test_the_version_is_the_metadatas():
    from importlib.metadata import version

    assert version("django-contentsafety") == django_contentsafety.__version__


def test_the_package_is_typed():
    assert (Path(django_contentsafety.__file__).parent / "py.typed").exists()
