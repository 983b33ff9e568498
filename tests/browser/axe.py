"""axe-core, which looks over a page as somebody with a screen reader would.

It comes from npm, a pinned version with a pinned hash, and stays out of the repository
(MPL-2.0, Deque Systems).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

VERSION = "4.14.1"
#: Of the package's archive.
SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
#: Where it is kept between runs; TEST_AXE names another file.
KEPT = Path(
    os.environ.get("TEST_AXE")
    or Path(__file__).parents[2] / "build" / f"axe-core-{VERSION}.min.js"
)
#: What Django's own admin brings along on every page: rule → the element it is about.
DJANGOS = {
    "link-in-text-block": ".breadcrumbs a",
    "label-title-only": "#searchbar",
}
#: The impacts that fail a page.
SERIOUS = frozenset({"serious", "critical"})


RUN = """async djangos => {
    const found = await axe.run(document, {resultTypes: ["violations"]});
    for (const violation of found.violations)
        for (const node of violation.nodes)
            node.djangos = violation.id in djangos && node.target.every(
                target => document.querySelector(target)?.matches(djangos[violation.id])
            );
    return found;
}"""


@dataclass(frozen=True, slots=True)
class Finding:
    rule: str
    impact: str
    help: str
    #: HTML of the first elements it is about.
    elements: tuple[str, ...]


def source() -> str:
    """The script. Raise an exception in words where it can't be had."""
    if not KEPT.is_file():
        _fetch()
    return KEPT.read_text(encoding="utf-8")


def _fetch() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is missing, which brings axe-core")
    KEPT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT.parent) as folder:
        subprocess.run(
            [npm, "pack", "--silent", f"axe-core@{VERSION}"],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=120,
        )
        (archive,) = Path(folder).glob("*.tgz")
        found = sha256(archive.read_bytes()).hexdigest()
        if found != SHA256:
            raise ValueError(f"axe-core {VERSION} is another file now: {found}")
        with tarfile.open(archive) as tar:
            member = tar.extractfile("package/axe.min.js")
            assert member is not None
            script = Path(folder) / "axe.min.js"
            script.write_bytes(member.read())
        # At once: another test process may be at the same.
        os.replace(script, KEPT)


def serious(page: Page) -> list[Finding]:
    """What on the page, as it stands, keeps somebody out."""
    page.evaluate(source())
    found: dict[str, Any] = page.evaluate(RUN, DJANGOS)
    return [
        Finding(
            rule=violation["id"],
            impact=violation["impact"],
            help=violation["help"],
            elements=tuple(html[:300] for html in mine[:5]),
        )
        for violation in found["violations"]
        if violation["impact"] in SERIOUS
        and (mine := [n["html"] for n in violation["nodes"] if not n["djangos"]])
    ]
