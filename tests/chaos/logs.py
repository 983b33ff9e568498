"""Logs as an error reporter would write them: tracebacks with all their locals."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType


class LocalsFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(process)d %(levelname)s %(name)s %(message)s")

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        if ei[0] is None:
            return ""
        whole = traceback.TracebackException(*ei, capture_locals=True)
        return "".join(whole.format())
