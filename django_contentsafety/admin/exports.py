"""Samples as a file to keep."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.http import StreamingHttpResponse

#: Whatever the name holds, the header has letters, digits and hyphens.
_UNFIT = re.compile(r"[^A-Za-z0-9-]+")


def download(chunks: Iterator[bytes], name: str) -> StreamingHttpResponse:
    """A response that a browser saves as ``name``.jsonl, and nobody else keeps."""
    name = _UNFIT.sub("-", name)[:80].strip("-") or "samples"
    return StreamingHttpResponse(
        chunks,
        content_type="application/jsonl",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.jsonl"',
            "X-Content-Type-Options": "nosniff",
        },
    )
