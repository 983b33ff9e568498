"""The file of samples: where it may lie, and what may be in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from . import limits

#: Fetches a blob by its URL. Raises FileNotFoundError or PermissionError.
ReadBlob = Callable[[str], bytes]


def any_samples(url: str) -> bytes:
    """As many samples as a build needs, whatever the URL."""
    texts = [f"Positive sample {number}." for number in range(limits.MIN_POSITIVES)]
    return "\n".join(json.dumps({"text": text}) for text in texts).encode()


def place_problem(url: str, *, hierarchical: bool) -> str:
    """Why the service can't take samples from ``url``; empty where it can."""
    parts = urlsplit(url)
    place = [unquote(part) for part in parts.path.strip("/").split("/")]
    # Azurite has no host names of its own, so the account is a part of the path.
    if parts.hostname in ("127.0.0.1", "localhost"):
        place = place[1:]
    if parts.scheme not in ("http", "https") or not parts.netloc or len(place) < 2:
        return "sampleBlobUrl is not the URL of a blob"
    if parts.query or parts.fragment:
        return "sampleBlobUrl must have no query"
    if not place[-1].endswith(".jsonl"):
        return "sampleBlobUrl must be a .jsonl file"
    if hierarchical:
        return "storage accounts with a hierarchical namespace are not supported"
    if len(place) > 2:
        return "the path of sampleBlobUrl must have one layer"
    return ""


def problem(samples: bytes) -> str:
    """Why nothing can be built from ``samples``; empty where it can."""
    if len(samples) > limits.MAX_SAMPLE_BYTES:
        return f"the file has more than {limits.MAX_SAMPLE_BYTES} bytes"
    try:
        found = entries(samples)
    except ValueError:
        return "a line of the file is not a sample"
    texts = [entry["text"] for entry in found]
    if len(set(texts)) != len(texts):
        return "the file has a sample twice"
    if len(texts) > limits.MAX_SAMPLES:
        return f"the file has more than {limits.MAX_SAMPLES} samples"
    count = len(positives(samples))
    if not limits.MIN_POSITIVES <= count <= limits.MAX_POSITIVES:
        return (
            f"the file must have {limits.MIN_POSITIVES} to {limits.MAX_POSITIVES} "
            f"positive samples, it has {count}"
        )
    return ""


def positives(samples: bytes) -> list[str]:
    """The positive texts; ``isPositive`` is true by default (private preview)."""
    return [
        entry["text"] for entry in entries(samples) if entry.get("isPositive", True)
    ]


def entries(samples: bytes) -> list[dict[str, Any]]:
    """The lines. Raise ValueError for one that is no sample."""
    found = []
    for line in samples.decode("utf-8-sig").split("\n"):
        if not line.strip():
            continue
        entry = json.loads(line)
        if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
            raise ValueError("not a sample")
        if not isinstance(entry.get("isPositive", True), bool):
            raise ValueError("not a sample")
        found.append(entry)
    return found
