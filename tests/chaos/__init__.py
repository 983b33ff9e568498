"""The storm behind this package's figures: ``make chaos``.

Real Celery workers, a real broker, a provider that often fails, and a killer. It is a
program, not a test of pytest: ``python -m tests.chaos --help``. As a Django app it
holds the models of the host that is stormed.

``storm`` runs it; ``saver``, ``provider``, ``proxy`` and ``worker`` are its processes;
``judge`` says from the database and the savers' journals what was lost.
"""

from __future__ import annotations
