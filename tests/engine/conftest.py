from __future__ import annotations

import pytest

from django_contentsafety.engine.classifier import TrainedCategory, train

from .made_up import make_samples


@pytest.fixture(scope="session")
def trained() -> TrainedCategory:
    return train(make_samples(60, 60))
