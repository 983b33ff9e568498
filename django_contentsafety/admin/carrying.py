"""What was previewed travels in the page, signed, and is confirmed as it was seen.

So nothing is kept meanwhile. A file too large for that is chosen once more.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.utils.translation import gettext as _

from ..engine.lines import Chunks
from ..exceptions import RefusedError

#: Seconds a preview can be confirmed: a working day.
MAX_AGE = 12 * 3600
#: What the signed content may take of a form, which Django bounds.
SHARE = 0.8
#: Bytes that are worth the try to pack them into a form.
MOST = 2_000_000

Data = bytes | Iterable[bytes]


def carry(data: Data, *, salt: str, **facts: Any) -> dict[str, Any]:
    """The page's ``token``, and whether the file has to be chosen ``again``."""
    chunks = (data,) if isinstance(data, bytes) else data
    digest = sha256()
    size = 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    facts["sha256"] = digest.hexdigest()
    bound: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if size <= MOST:
        packed = base64.b64encode(b"".join(chunks)).decode()
        token = signing.dumps({**facts, "data": packed}, salt=salt, compress=True)
        if bound is None or len(token) <= bound * SHARE:
            return {"token": token, "again": False}
    return {"token": signing.dumps(facts, salt=salt, compress=True), "again": True}


def carried(
    request: HttpRequest, *, salt: str, limit: int, **expected: Any
) -> tuple[dict[str, Any], Data]:
    """The facts and the data of the token that was posted.

    Raise RefusedError where it is not one of ours, not about what is ``expected``, too
    old, or the file is another.
    """
    try:
        facts = signing.loads(request.POST["token"], salt=salt, max_age=MAX_AGE)
    except signing.BadSignature:
        facts = {}
    if "sha256" not in facts or any(facts.get(k) != v for k, v in expected.items()):
        raise RefusedError(
            _("Nothing was stored: this preview is no longer valid. Upload again.")
        )
    if "data" in facts:
        return facts, base64.b64decode(facts["data"])
    upload: Any = request.FILES.get("file")
    data: Data = Chunks(upload, limit) if upload else b""
    digest = sha256()
    for chunk in (data,) if isinstance(data, bytes) else data:
        digest.update(chunk)
    if digest.hexdigest() != facts["sha256"]:
        raise RefusedError(
            _("Nothing was stored: this is not the file of the preview.")
        )
    return facts, data
