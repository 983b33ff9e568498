"""The programs that measure still run, and the documents say what they found.

Nothing here is about speed: sizes are tiny, and no time is compared with anything.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import figures, quota, reports
from tests import servers

ROOT = Path(__file__).parents[1]
#: Seconds a tiny run may take on a busy machine.
PATIENCE = 300


def run(program: str, folder: Path, *words: str) -> dict[str, Any]:
    pytest.importorskip("simple_history", reason="pip install -e '.[bench]'")
    command = [sys.executable, "-m", f"benchmarks.{program}", *words]
    done = subprocess.run(
        [*command, "--reports", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads((folder / f"{program}.json").read_text())
    for name in ("date", "commit", "machine", "options"):
        assert report[name]
    return report


def test_saves(tmp_path: Path) -> None:
    report = run("saves", tmp_path, "--rounds=1", "--number=3")
    for found in report["databases"].values():
        assert set(found["ratio_to_bare"]) == {
            "created",
            "changed",
            "unchanged",
            "unwatched",
        }
    assert len(report["databases"]) == 1 + sum(map(servers.answers, servers.DATABASES))


@pytest.mark.redis
@pytest.mark.rabbitmq
def test_wakes(tmp_path: Path) -> None:
    found = run("wakes", tmp_path, "--number=5")["databases"]["sqlite"]["brokers"]
    assert set(found) == {"redis", "amqp"}
    for troubles in found.values():
        assert set(troubles) == set(figures.TROUBLES)
        assert all(at["callbacks_run"] == 5 for at in troubles.values())


@pytest.mark.postgresql
@pytest.mark.redis
def test_throughput(tmp_path: Path) -> None:
    words = ("--rounds=1", "--texts=60", "--tasks=200", "--processes=1")
    found = run("throughput", tmp_path, *words)["databases"]["postgresql"]
    assert found["texts_over_tasks"]["1"]["median"] > 0


def test_one_database_is_measured_without_the_others(tmp_path: Path) -> None:
    def write(seed: int, **found: int) -> dict[str, Any]:
        reports.write("x", Namespace(reports=tmp_path, on=None, seed=seed), found)
        report: dict[str, Any] = json.loads((tmp_path / "x.json").read_text())
        return report["databases"]

    assert write(1, mariadb=1) == {"mariadb": 1}
    assert write(1, sqlite=2) == {"sqlite": 2, "mariadb": 1}
    assert write(1, mariadb=3) == {"sqlite": 2, "mariadb": 3}
    # Another question.
    assert write(2, sqlite=4) == {"sqlite": 4}


def test_quota(tmp_path: Path) -> None:
    report = run("quota", tmp_path, "--seconds=0.5", "--databases=sqlite")
    for found in report["databases"].values():
        assert all(not of["broken"] for of in found["limits"].values())


def test_a_broken_quota_is_noticed() -> None:
    even = [(n / 10, n / 10 + 0.01) for n in range(30)]
    assert quota.judge(even, rate=10, burst=1)["broken"] == 0
    assert quota.judge([*even, (3.0, 3.001)], rate=10, burst=1)["broken"] == 0
    assert quota.judge(sorted([*even, (1.0, 1.01)]), rate=10, burst=1)["broken"] > 0


def test_tables(tmp_path: Path) -> None:
    report = run("tables", tmp_path, "--sizes=6000", "--runs=1", "--databases=sqlite")
    found = report["databases"]["sqlite"]
    assert set(found["history"]) == set(figures.WORDS)
    assert all(of["plans"]["6000"] for of in found["round"].values())


@pytest.mark.postgresql
def test_rounds(tmp_path: Path) -> None:
    found = run("rounds", tmp_path, "--rows=520")["databases"]["postgresql"]
    for part in found["round"], found["first_day"]:
        assert part["observations"] > 1
        assert part["hidden"] == 0
    assert found["round"]["persons_changed"] == 0


@pytest.mark.parametrize("document", figures.documents(), ids=lambda path: path.name)
def test_the_documents_say_what_the_reports_say(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert figures.filled(text) == text, "run: python -m benchmarks.figures"


def test_every_figure_is_in_some_document() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in figures.documents())
    assert {name for _, name, _ in figures.PLACE.findall(text)} == set(figures.BLOCKS)
