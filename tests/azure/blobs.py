"""Blob storage in memory, for the faults that Azurite never has."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections import Counter, deque
from hashlib import md5
from urllib.parse import urlsplit

from django_contentsafety.providers import BuildRequest, RemovalRequest
from django_contentsafety.testing.fault_server import Reply, Request, body, status
from django_contentsafety.testing.trainer import Chance, Fault

#: What a client asks for, as faults name it.
STEPS = ("upload", "look at blob", "delete blob")
ACCOUNT = "devstoreaccount1"
#: Of Azurite's length; no secret of anybody's.
ACCOUNT_KEY = b64encode(b"CANARY-account-key" * 3).decode()
CONTAINER = "samples"
SAS = "sv=2024-11-04&sp=rcwd&sr=c&sig=CANARY%2Bsignature%3D"
SAMPLES = b'{"text": "CANARY text", "isPositive": true}\n'
METHODS = {"PUT": "upload", "HEAD": "look at blob", "DELETE": "delete blob"}


class Blobs:
    """What a container holds; ``created`` counts what was really written."""

    def __init__(self, chance: Chance | None = None) -> None:
        self.held: dict[str, bytes] = {}
        self.created: Counter[str] = Counter()
        self.deleted: Counter[str] = Counter()
        self._chance = chance or (lambda step: None)
        self._faults: dict[str, deque[Fault]] = {step: deque() for step in STEPS}
        self._lock = threading.Lock()

    def fail(self, step: str, *faults: Fault) -> None:
        self._faults[step].extend(faults)

    def read(self, url: str) -> bytes:
        """As the service does, by its managed identity."""
        path = urlsplit(url).path
        if path not in self.held:
            raise FileNotFoundError
        return self.held[path]

    def __call__(self, request: Request) -> Reply:
        with self._lock:
            step, path = METHODS[request.method], urlsplit(request.path).path
            planned = self._faults[step]
            fault = planned.popleft() if planned else self._chance(step)
            if fault is None or fault.acts:
                reply = self._act(step, path, request)
            return reply if fault is None else fault.reply

    def _act(self, step: str, path: str, request: Request) -> Reply:
        if step == "upload":
            return self._upload(path, request)
        if path not in self.held:
            return refused(404, "BlobNotFound", head=step == "look at blob")
        if step == "delete blob":
            del self.held[path]
            self.deleted[path] += 1
            return status(202)
        checked = b64encode(
            md5(self.held[path], usedforsecurity=False).digest()
        ).decode()
        headers = {
            "Content-MD5": checked,
            "Content-Type": "application/jsonl",
            "x-ms-blob-type": "BlockBlob",
        }
        return Reply(headers=headers)

    def _upload(self, path: str, request: Request) -> Reply:
        assert request.headers["x-ms-blob-type"] == "BlockBlob"
        if request.headers.get("if-none-match") == "*" and path in self.held:
            return refused(409, "BlobAlreadyExists")
        self.held[path] = request.body
        self.created[path] += 1
        return status(201, etag='"1"', last_modified="Sun, 22 Nov 2026 08:00:00 GMT")


def refused(code: int, name: str, *, head: bool = False) -> Reply:
    """As storage says it: XML, and the code in a header too."""
    words = (
        f"<?xml version='1.0'?><Error><Code>{name}</Code><Message>No.</Message></Error>"
    )
    if head:
        return status(code, x_ms_error_code=name)
    return body(words.encode(), "application/xml", code, x_ms_error_code=name)


def connection_string(origin: str, key: str = ACCOUNT_KEY) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};"
        f"BlobEndpoint={origin}/{ACCOUNT};"
    )


def build_request(number: int = 1, **changes: object) -> BuildRequest:
    values: dict[str, object] = {
        "name": "scam",
        "version": number,
        "definition": "Scams.",
        "samples": SAMPLES,
        "operation_id": f"cs-{number}-0",
    }
    return BuildRequest(**{**values, **changes})  # type: ignore[arg-type]


def removal_request(sha256: str, number: int = 1) -> RemovalRequest:
    return RemovalRequest(
        name="scam",
        version=number,
        provider_version=str(number),
        removal_id=f"cs-rm-{number}-0",
        samples_sha256=sha256,
    )
