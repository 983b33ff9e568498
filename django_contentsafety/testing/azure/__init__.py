"""Azure's two services, scripted: an emulator for tests, with a memory and bad days."""

from __future__ import annotations

from .service import STEPS, AzureService
from .state import State

__all__ = ["STEPS", "AzureService", "State"]
