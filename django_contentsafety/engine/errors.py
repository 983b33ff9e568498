"""The engine's error family: everything it raises on purpose is an EngineError."""

from __future__ import annotations

import importlib

__all__ = [
    "ArtifactError",
    "BundleError",
    "EngineError",
    "MissingDependency",
    "ModelError",
    "SampleError",
    "TrainingError",
    "require",
]

_INSTALL = 'pip install "django-contentsafety[{}]"'


class EngineError(ValueError):
    """Say what happened (`message`) and what to do about it (`remedy`).

    `code` is a short, stable word for programs. No error of the engine quotes a
    sample or a text: an error may be logged, a text may not.
    """

    # All but the first argument have defaults, so that pickling (an error that
    # crosses a process) needs no code of its own.
    def __init__(self, message: str, *, remedy: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class ArtifactError(EngineError):
    """The bytes are not an artifact that this engine can read."""


class BundleError(EngineError):
    """The bytes are not a bundle that this release can read.

    `where` names the file inside it, or the place in that file; empty = the whole.
    """

    def __init__(
        self, message: str, *, where: str = "", remedy: str = "", code: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.where = where

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"The bundle can't be read: {place}{super().__str__()}"


class ModelError(EngineError):
    """The weights of the minilm tier are not those that this engine was made for."""


class TrainingError(EngineError):
    """These samples cannot make a category."""


class SampleError(EngineError):
    """One thing wrong with one line of a sample file.

    `line` counts from 1 and is None where the error belongs to the whole file.
    """

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        remedy: str = "",
        code: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.line = line

    def __str__(self) -> str:
        where = "" if self.line is None else f"Line {self.line}: "
        return where + super().__str__()


class MissingDependency(EngineError):
    """A package that this step needs is not installed; an `extra` of ours brings it."""

    def __init__(self, package: str, extra: str = "local") -> None:
        super().__init__(
            f"The embedded engine needs {package}, which is not installed.",
            remedy=f"Install it with: {_INSTALL.format(extra)}",
            code="missing_dependency",
        )
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingDependency], tuple[str, str]]:
        return type(self), (self.package, self.extra)


def require(module: str, package: str, extra: str = "local") -> None:
    """Import `module`; raise MissingDependency naming `package` where it is absent."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise MissingDependency(package, extra) from error
