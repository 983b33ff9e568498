"""What the documentation says is so."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands

import django_contentsafety
from django_contentsafety import conf
from django_contentsafety.providers import providers
from django_contentsafety.verdicts import HarmCategory

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_setting_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(CONTENTSAFETY_\w+)` \| `(.+?)` \|", SETTINGS, re.M))
    assert list(rows) == conf.known_settings()
    for name, shown in rows.items():
        if name != "CONTENTSAFETY_PROVIDERS":
            default = vars(conf.Settings)[name.removeprefix("CONTENTSAFETY_")]
            assert ast.literal_eval(shown) == default, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_pictures_are_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (document.parent / target).is_file(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_in_the_documents_compiles(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        compile(block, str(document), "exec")


def test_the_names_the_readme_imports_exist() -> None:
    for names in re.findall(r"from django_contentsafety import (.+)", README):
        for name in names.split(", "):
            assert hasattr(django_contentsafety, name)


def test_the_commands_named_exist() -> None:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for name in re.findall(r"manage\.py (contentsafety_\w+)", text):
            assert name in get_commands(), name


def test_the_feature_table_tells_the_providers_flags() -> None:
    rows = {
        cells[0]: cells[1:]
        for line in README.splitlines()
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 4
    }
    local: Any = providers["local"]
    dummy: Any = providers["default"]
    harm = next(cells for name, cells in rows.items() if "harm categories" in name)
    assert (harm[0] == "yes") == (local.harm_categories >= set(HarmCategory.values))
    custom = next(cells for name, cells in rows.items() if "custom cat" in name)
    assert (custom[0] == "yes") == local.can_build
    scales = next(cells for name, cells in rows.items() if "scales" in name)
    assert set(scales[0].split(", ")) == local.custom_scales | local.harm_scales
    assert set(scales[1].split(", ")) == dummy.custom_scales | dummy.harm_scales


def test_the_versions_named_are_those_that_ci_runs() -> None:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    classifiers = setup["metadata"]["classifiers"]
    for kind, pattern in (
        ("Framework :: Django", r"Django (\d\.\d)"),
        ("Programming Language :: Python", r"(?:Python|on) (3\.\d+)"),
    ):
        claimed = set(re.findall(rf"^{kind} :: (\d\.\d+)$", classifiers, re.M))
        where = README.split("## Where it runs")[1].split("##")[0]
        assert set(re.findall(pattern, where)) == claimed
