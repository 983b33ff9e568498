"""What Azure answers where nobody has written it down: assumed, not documented.

No recording of a category operation is public, and the documents name no status for
these. A client that passes tests against this file was tested against a guess; give
``AzureService(assumed={...})`` others, and see that it holds.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Case → HTTP status and the service's code.
ASSUMED: Mapping[str, tuple[int, str]] = {
    "no such version": (404, "ResourceNotFound"),
    "no such operation": (404, "ResourceNotFound"),
    "no such incident": (404, "ResourceNotFound"),
    "no such blocklist": (404, "ResourceNotFound"),
    "not built": (400, "InvalidRequestBody"),
    "not deployed": (400, "InvalidRequestBody"),
    "building already": (409, "Conflict"),
    "built already": (409, "Conflict"),
    "deleted while building": (409, "Conflict"),
    "operation exists": (409, "Conflict"),
    "too many categories": (400, "InvalidRequestBody"),
    "too many versions": (400, "InvalidRequestBody"),
    "too many incidents": (400, "InvalidRequestBody"),
    "too many samples": (400, "InvalidRequestBody"),
    "too many terms": (400, "InvalidRequestBody"),
    "blob not readable": (400, "InvalidRequestBody"),
    "wrong samples": (400, "InvalidRequestBody"),
    "two credentials": (401, "401"),
}

#: Documented for the newer dialect alone. The older one's deletion names an
#: Operation-Location, and no document says where.
OPERATION_PATH = "/text/categories/operations/"
#: What the name of the copy of the samples, which lies beside them, ends in.
COPY_SUFFIX = ".copy-{number}"
