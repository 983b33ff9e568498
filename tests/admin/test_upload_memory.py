"""The largest uploads, previewed and confirmed, take no more than 20 MB of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_contentsafety.models import Category, Sample
from tests.admin.upload_memory import CSRF

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux'"),
]

BOUNDARY = "contentsafety-boundary"
MOST = 20_000_000


def long_texts() -> Iterator[bytes]:
    """10,000 samples of 2 kB."""
    for n in range(10_000):
        yield (
            json.dumps(
                {
                    "text": f"{n:x} " + "wörter und mehr " * 115,
                    "isPositive": n % 2 == 0,
                },
                ensure_ascii=False,
            ).encode()
            + b"\n"
        )


def short_texts() -> Iterator[bytes]:
    """As many samples as a file may hold, and more."""
    for n in range(120_000):
        yield b'{"text": "%d and some words more"}\n' % (n * 7919)


def long_lines() -> Iterator[bytes]:
    for n in range(19):
        yield b'{"text": "' + b"%d" % n + b"a" * 999_000 + b'"}\n'


def nested_lines() -> Iterator[bytes]:
    """What JSON makes the most of, just below the bound."""
    for _ in range(40):
        yield b'{"text": "a", "n": [' + b"{}," * 145_000 + b"{}]}\n"


def wide_table() -> Iterator[bytes]:
    yield b"text,label\n"
    for n in range(19):
        yield b"%d,1," % n + b"ab," * 333_000 + b"\n"


def problems() -> Iterator[bytes]:
    for _ in range(900_000):
        yield b"{oops\n"


FILES: dict[str, Callable[[], Iterator[bytes]]] = {
    function.__name__: function
    for function in (
        long_texts,
        short_texts,
        long_lines,
        nested_lines,
        wide_table,
        problems,
    )
}


#: Those that hold no sample at all.
JUNK = {"wide_table", "problems"}


@pytest.mark.parametrize("name", FILES)
def test_the_largest_uploads(
    name: str,
    root: Client,
    category: Category,
    tmp_path: Path,
    process_environment: dict[str, str],
) -> None:
    path = tmp_path / "body"
    with path.open("wb") as body:
        body.write(
            f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
            f'name="csrfmiddlewaretoken"\r\n\r\n{CSRF}\r\n--{BOUNDARY}\r\n'
            'Content-Disposition: form-data; name="file"; filename="f.jsonl"\r\n'
            "\r\n".encode()
        )
        size = 0
        for chunk in FILES[name]():
            size += len(chunk)
            if size > 20_000_000:
                break
            body.write(chunk)
        body.write(f"\r\n--{BOUNDARY}--\r\n".encode())
    page = reverse("admin:contentsafety_category_upload", args=[category.pk])
    session: Any = root.session.session_key
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.admin.upload_memory",
            page,
            session,
            str(path),
            BOUNDARY,
        ],
        env=process_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["statuses"] == [200, 302]
    assert found["bytes"] <= MOST
    # Confirmed with what has a problem left out; the files of junk hold nothing else.
    assert Sample.objects.exists() == (name not in JUNK)
