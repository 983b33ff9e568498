"""``time.sleep`` for processes under faketime, found by Python through PYTHONPATH.

Python 3.11 and later sleep by an absolute ``clock_nanosleep``, which libfaketime 0.9.10
answers by EINVAL where it was told to leave the monotonic clock alone.
"""

from __future__ import annotations

import select
import time


def sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = sleep
