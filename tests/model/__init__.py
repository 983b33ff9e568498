"""The moderation row as a state machine, driven step by step by Hypothesis."""

from __future__ import annotations
