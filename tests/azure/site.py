"""The settings of a worker process of ``test_story``: the tests', and its provider."""

from __future__ import annotations

import json
import os

from tests.settings import *  # noqa: F403

CONTENTSAFETY_PROVIDERS = json.loads(os.environ["TEST_PROVIDERS"])
