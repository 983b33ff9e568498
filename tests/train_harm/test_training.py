"""Training is reproducible to the byte, and severities mean what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from django_contentsafety.engine import harm
from tools.train_harm import __main__ as program, sources
from tools.train_harm.calibrate import RATES, calibrate, ordinary
from tools.train_harm.fit import fit, targets
from tools.train_harm.matrix import Matrix, featurize
from tools.train_harm.rows import NONE, Row
from tools.train_harm.selection import first
from tools.train_harm.texts import own_rows

from .made_up import make_folder


def test_a_fit_finds_the_labels_whatever_their_share() -> None:
    draws = np.random.default_rng(1)
    dense = draws.normal(size=(400, 5))
    labels = (dense[:, 0] > 1).astype(int)
    matrix = Matrix(csr_matrix(dense[:, :3]), dense[:, 3:])
    model = fit(matrix, labels, np.ones(400))
    logits = model.logits(matrix)
    assert logits[labels == 1].mean() > 0 > logits[labels == 0].mean()
    assert model.weights[0] > 3 * np.abs(model.weights[1:]).max()


def test_a_row_without_weight_teaches_nothing() -> None:
    dense = np.array([[1.0], [-1.0], [5.0]])
    matrix = Matrix(csr_matrix(dense), np.zeros((3, 0)))
    model = fit(matrix, np.array([1, 0, 0]), np.array([1.0, 1.0, 0.0]))
    assert model.weights[0] > 0


def test_the_first_rows_are_all_our_own_and_the_first_of_the_others() -> None:
    rows = [Row(f"{n}", "own:x" if n % 3 == 0 else "edos", NONE) for n in range(30)]
    found = first(rows, 15)
    assert [row.text for row in found if row.source == "edos"] == [
        "1",
        "2",
        "4",
        "5",
        "7",
    ]
    assert sum(row.source == "own:x" for row in found) == 10
    assert found == [row for row in rows if row in found]
    assert first(rows, None) == rows


def benign_rows(number: int) -> list[Row]:
    return [Row(f"benign {n}", "sms", NONE, benign=True) for n in range(number)]


def test_severities_are_reached_by_the_stated_share_of_ordinary_texts() -> None:
    draws = np.random.default_rng(2)
    rows = benign_rows(20_000)
    rows += [Row(f"bad {n}", "edos", {"Hate": True}) for n in range(500)]
    logits = np.concatenate([draws.normal(-2, 1, 20_000), draws.normal(2, 1, 500)])
    slope, offset, levels = calibrate(rows, "Hate", logits)
    assert levels == sorted(levels)
    for severity, rate in RATES.items():
        assert (logits[:20_000] > levels[severity - 1]).mean() == pytest.approx(rate)
    # Half and half, a text in the middle of the two is as likely the one as the other.
    assert offset == pytest.approx(0, abs=0.1 * slope)


def test_each_ordinary_source_counts_the_same() -> None:
    rows = benign_rows(90)
    rows += [Row(f"tweet {n}", "davidson", NONE, benign=True) for n in range(10)]
    rows += [Row("a post", "edos", NONE, benign=True), Row("b", "sms", NONE)]
    shares = ordinary(rows)
    assert shares[:90].sum() == pytest.approx(0.5)
    assert shares[90:100].sum() == pytest.approx(0.5)
    assert not shares[100:].any()


def test_an_unknown_label_is_neither() -> None:
    rows = [Row("a", "x", {"Hate": True}), Row("b", "x", {}), Row("c", "x", NONE)]
    assert targets(rows, "Hate").tolist() == [1, -1, 0]


def test_the_matrix_is_what_the_engine_sees() -> None:
    matrix = featurize(["A kind word.", "a kind word.", ""])
    assert (matrix.hashed[0] != matrix.hashed[1]).nnz == 0
    assert matrix.hashed[2].nnz == 0
    assert np.array_equal(matrix.dense[0], matrix.dense[1])


def test_the_same_data_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = own_rows()[::40]
    monkeypatch.setattr(sources, "own_rows", lambda: list(few))
    folder = make_folder(tmp_path)
    first = program.train(folder)
    assert program.train(folder) == first
    assert set(harm.load(first)) == set(harm.CATEGORIES)


def test_a_folder_without_the_data_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["train_harm", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"toxic_spans_comments\.csv is missing"):
        program.main()
