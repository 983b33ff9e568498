"""A secret key that is made on the first start and kept."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path


def kept_secret(path: Path) -> str:
    """Return the key in ``path``; make one where there is none.

    The file appears whole or not at all, so that two processes which start together
    agree on one key.
    """
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        pass
    # mkstemp makes a file that only its owner reads.
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret-")
    with open(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:
        # A file system without hard links; the last of two writers wins.
        os.replace(draft, path)
        return path.read_text(encoding="ascii")
    os.unlink(draft)
    return path.read_text(encoding="ascii")
