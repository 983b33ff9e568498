"""The process ends before and after each statement, and nothing is lost by it."""

from __future__ import annotations
