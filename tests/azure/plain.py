"""A plain client of the scripted Azure: what it answers, with nothing in between."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django_contentsafety.testing.fault_server import FaultServer

KEY = "k" * 32
GA, OLDER, NEWER = "2024-09-01", "2024-05-15-preview", "2024-09-15-preview"
MODERATOR = "2022-09-30-preview"
#: Of Azurite's shape, so that the account is a part of the path.
BLOB = "http://127.0.0.1:10000/devstoreaccount1/samples/scam-1.jsonl"


@dataclass(frozen=True)
class Got:
    status: int
    #: Header names in lower case.
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error, which its header repeats."""
        code: str = self.data["error"]["code"]
        assert self.headers["x-ms-error-code"] == code
        return code


@dataclass
class Plain:
    """Asks ``server`` in one API version."""

    server: FaultServer
    version: str = GA
    prefix: str = "/contentsafety"

    def ask(
        self,
        method: str,
        path: str,
        data: object = None,
        *,
        headers: dict[str, str] | None = None,
        **query: object,
    ) -> Got:
        query = {"api-version": self.version, **query}
        sent = headers
        if sent is None:
            sent = {"Ocp-Apim-Subscription-Key": KEY}
        elif "Operation-Id" in sent:
            sent = {"Ocp-Apim-Subscription-Key": KEY, **sent}
        return self.send(
            method,
            f"{self.prefix}{path}?{urlencode(query)}",
            b"" if data is None else json.dumps(data).encode(),
            sent,
        )

    def send(self, method: str, target: str, body: bytes, headers: Any) -> Got:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, 30)
        with closing(connection):
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, named, answer.read())

    def follow(self, link: str) -> Got:
        """A link of the service, which must be absolute and its own."""
        origin = f"http://127.0.0.1:{self.server.port}"
        assert link.startswith(f"{origin}/contentsafety/")
        key = {"Ocp-Apim-Subscription-Key": KEY}
        return self.send("GET", link.removeprefix(origin), b"", key)

    def register(self, name: str = "scam", **data: str) -> Got:
        content = {
            "categoryName": name,
            "definition": "Scams.",
            "sampleBlobUrl": BLOB,
            **data,
        }
        return self.ask("PUT", f"/text/categories/{name}", content)

    def build(self, number: int = 1, name: str = "scam", **options: Any) -> Got:
        path = f"/text/categories/{name}:build"
        return self.ask("POST", path, version=number, **options)

    def look(self, number: int = 1, name: str = "scam") -> Got:
        return self.ask("GET", f"/text/categories/{name}", version=number)

    def analyze(self, text: str, **data: Any) -> Got:
        return self.ask("POST", "/text:analyze", {"text": text, **data})
