"""A program: one upload through the whole of Django, and how much memory it took.

``python -m tests.admin.upload_memory PAGE SESSION BODY BOUNDARY``: PAGE is
posted the multipart body in the file BODY, as a web server hands it on: from a stream;
then the preview that came of it is confirmed. Prints JSON: the two statuses, and by how
many bytes the peak of resident memory (VmHWM) rose over that of a small upload before.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from pathlib import Path
from typing import IO, Any

import django
from django.core.handlers.wsgi import WSGIHandler

CSRF = "a" * 32


def peak() -> int:
    """The most bytes this program has held resident since it began.

    Not getrusage's ru_maxrss: a new program inherits its parent's.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def call(
    handler: Any, page: str, session: str, body: IO[bytes], size: int, boundary: str
) -> tuple[int, bytes]:
    said: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": page,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "HTTP_COOKIE": f"sessionid={session}; csrftoken={CSRF}",
        "CONTENT_TYPE": f"multipart/form-data; boundary={boundary}",
        "CONTENT_LENGTH": str(size),
        "wsgi.input": body,
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
    }
    answer = handler(environ, lambda status, headers: said.append(status))
    words = b"".join(answer)
    answer.close()
    return int(said[0].split()[0]), words


def main() -> None:
    page, session, path, boundary = sys.argv[1:]
    django.setup()
    handler = WSGIHandler()
    # What any upload needs: modules, templates, a connection.
    small = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"'
        f"\r\n\r\n{CSRF}\r\n--{boundary}\r\nContent-Disposition: form-data; "
        'name="file"; filename="f.jsonl"\r\n\r\n{"text": "a"}\n{oops\n\r\n'
        f"--{boundary}--\r\n"
    ).encode()
    status, _words = call(
        handler, page, session, io.BytesIO(small), len(small), boundary
    )
    assert status == 200, status
    before = peak()
    statuses, words, file = [], b"", path
    for _step in ("preview", "confirm"):
        with Path(file).open("rb") as body:
            size = Path(file).stat().st_size
            status, words = call(handler, page, session, body, size, boundary)
        statuses.append(status)
        file = confirmation(path, boundary, words)
    sys.stdout.write(json.dumps({"statuses": statuses, "bytes": peak() - before}))


def confirmation(path: str, boundary: str, page: bytes) -> str:
    """A file with the same body and, before it, the token of the preview."""
    found = re.search(rb'name="token" value="([^"]+)"', page)
    token = found[1].decode() if found else "none"
    confirmed = f"{path}.confirmed"
    with Path(confirmed).open("wb") as target, Path(path).open("rb") as body:
        for name, value in (("token", token), ("skip", "on")):
            target.write(
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
                f"\r\n\r\n{value}\r\n".encode()
            )
        shutil.copyfileobj(body, target)
    return confirmed


if __name__ == "__main__":
    main()
