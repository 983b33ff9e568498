"""The test kit: a server that misbehaves on demand, and a small remote provider."""

from __future__ import annotations
