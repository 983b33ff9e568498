from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from scipy.stats import binomtest

from django_contentsafety.engine.paired import mcnemar


@given(st.integers(0, 200), st.integers(0, 200))
def test_it_is_the_exact_binomial_test(fixed, broken):
    if fixed + broken:
        expected = binomtest(fixed, fixed + broken).pvalue
        assert mcnemar(fixed, broken) == pytest.approx(expected)


def test_no_flip_and_many():
    assert mcnemar(0, 0) == 1
    assert mcnemar(5_000, 5_000) == 1
    assert mcnemar(9_000, 1_000) == pytest.approx(0, abs=1e-300)
