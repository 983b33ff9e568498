"""Azurite, Microsoft's own emulator of blob storage, for tests that need a real one.

It comes from npm, a pinned version, and stays out of the repository (MIT, Microsoft).
What it needs in turn is not pinned: its own package names ranges, and a lock file would
name where packages come from.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

#: The last one that keeps to itself (later ones bring Application Insights) and runs on
#: Debian's Node.js. 3.36 needs 21, 3.37 needs 22. 121 MB with all it needs.
VERSION = "3.33.0"
#: Where it is kept between runs.
KEPT = Path(__file__).parents[2] / "build" / f"azurite-{VERSION}"
PROGRAM = Path("node_modules/azurite/dist/src/blob/main.js")
#: What everybody's Azurite knows: its README has them.
ACCOUNT = "devstoreaccount1"
KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"
    "K1SZFPTOtr/KBHBeksoGMGw=="
)
#: Seconds: to fetch it, which took 22; until it listens, which took 2.6; to end.
FETCHING, STARTING, ENDING = 300, 60, 20
LISTENS = re.compile(rb"successfully listens on (http://127\.0\.0\.1:[0-9]+)")


def find() -> None:
    """Raise FileNotFoundError in words where it can't be had."""
    for program in ("node", "npm"):
        if shutil.which(program) is None and (program == "node" or not is_kept()):
            raise FileNotFoundError(f"{program} is missing, which Azurite needs")


def is_kept() -> bool:
    """Whether an earlier run has fetched it."""
    return (KEPT / PROGRAM).is_file()


def fetch() -> None:
    """Let npm bring it, unless it is here."""
    if is_kept():
        return
    KEPT.parent.mkdir(exist_ok=True)
    folder = tempfile.mkdtemp(dir=KEPT.parent)
    try:
        subprocess.run(
            [
                shutil.which("npm") or "npm",
                "install",
                f"--prefix={folder}",
                "--no-save",
                "--no-package-lock",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--omit=dev",
                "--omit=optional",
                f"azurite@{VERSION}",
            ],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=FETCHING,
        )
        # Another test process may have been quicker; its copy is as good.
        with suppress(OSError):
            os.rename(folder, KEPT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Azurite:
    """A blob service that answers on ``url``, with the account in its path."""

    url: str

    @property
    def connection_string(self) -> str:
        """As azure-storage-blob takes it."""
        scheme = urlsplit(self.url).scheme
        return (
            f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};"
            f"AccountKey={KEY};BlobEndpoint={self.url};"
        )

    def container(self, name: str) -> str:
        """The URL of a container, made where it isn't there."""
        from azure.core.exceptions import ResourceExistsError

        with self._service() as service, suppress(ResourceExistsError):
            service.create_container(name)
        return f"{self.url}/{name}"

    def put(self, url: str, content: bytes) -> None:
        """A blob at ``url``, whatever was there."""
        with self._blob(url) as blob:
            blob.upload_blob(content, overwrite=True)

    def read(self, url: str) -> bytes:
        """What lies at ``url``, as the scripted Azure's ``read_blob`` has to say it."""
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        with self._blob(url) as blob:
            try:
                content: bytes = blob.download_blob().readall()
            except ResourceNotFoundError:
                raise FileNotFoundError(url) from None
            except HttpResponseError:
                raise PermissionError(url) from None
        return content

    def sas(self, container: str, permission: str = "rwc") -> str:
        """A shared access signature of an hour for a container."""
        from datetime import UTC, datetime, timedelta

        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        token: str = generate_container_sas(
            ACCOUNT,
            container,
            account_key=KEY,
            permission=ContainerSasPermissions.from_string(permission),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        return token

    def _service(self) -> Any:
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(self.connection_string)

    def _blob(self, url: str) -> Any:
        container, name = url.removeprefix(f"{self.url}/").split("/", 1)
        return self._service().get_blob_client(container, name)


@contextmanager
def running() -> Iterator[Azurite]:
    """A new one on a free port, with nothing in it; ended by its id."""
    fetch()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    shutil.which("node") or "node",
                    str(KEPT / PROGRAM),
                    "--blobHost=127.0.0.1",
                    "--blobPort=0",
                    f"--location={folder}",
                    "--silent",
                    # azure-storage-blob may speak a newer version than this knows.
                    "--skipApiVersionCheck",
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Azurite(f"{_origin(process, log)}/{ACCOUNT}")
        finally:
            process.terminate()
            try:
                process.wait(ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(ENDING)


def _origin(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where it listens, as it says itself."""
    until = time.monotonic() + STARTING
    while time.monotonic() < until and process.poll() is None:
        if found := LISTENS.search(log.read_bytes()):
            return found[1].decode()
        time.sleep(0.05)
    said = log.read_bytes()[-500:].decode("utf-8", "replace")
    raise RuntimeError(f"Azurite does not listen: {' '.join(said.split())}")
