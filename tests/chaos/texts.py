"""Texts that say themselves what they deserve, and carry the canary."""

from __future__ import annotations

import os
import random
import re

from .run import folder

#: What the remote provider and the one in the process look for, by severity.
REMOTE = {"fine": 0, "dubious": 5, "bad": 7}
LOCAL = {"plain": 0, "doubtful": 5, "lewd": 7}
#: Written in a way that no signal tells of: shown until the reconciler came by.
UNSEEN = "unseen"

#: The words a policy judges by (policies are made in ``site.py``).
JUDGED_BY = {
    "posts": {**REMOTE},
    "replies": {**REMOTE, **LOCAL},
    "words": {**LOCAL},
    "notes": {**REMOTE},
}

_ID = re.compile(r"id-([0-9.]+)")


def make(rng: random.Random, name: str, canary: str, *, unseen: bool = False) -> str:
    """A text that nobody has written before; ``name`` is its id."""
    remote = rng.choices(list(REMOTE), [6, 2, 2])[0]
    local = rng.choices(list(LOCAL), [7, 1, 2])[0]
    words = [canary, f"id-{name}", remote, local, *([UNSEEN] if unseen else [])]
    return " ".join(words)


def id_of(text: str) -> str:
    """The id of a text, empty where it has none."""
    found = _ID.search(text)
    return found[1] if found else ""


def severity(text: str, words: dict[str, int]) -> int:
    """The worst of the words in ``text``, 0 to 7."""
    return max((words.get(word, 0) for word in text.split()), default=0)


def deserves(policy: str, text: str) -> str:
    """The decision of ``policy`` (review at 4, block at 6)."""
    worst = severity(text, JUDGED_BY[policy])
    return "block" if worst >= 6 else "review" if worst >= 4 else "allow"


def judge_here(text: str) -> dict[str, int]:
    """The script of the provider in the process; it notes what it was asked."""
    line = f"default {id_of(text)} ok {os.getpid()}\n".encode()
    path = folder() / "asked-here.log"
    # One write of a short line, appended: whole, whoever else writes and dies.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)
    return {"Hate": severity(text, LOCAL)}


def new_canaries(rng: random.Random) -> dict[str, str]:
    """A key and a word that stand nowhere else on earth."""
    return {
        "key": f"KEYCANARY{rng.getrandbits(96):024x}",
        "canary": f"TEXTCANARY{rng.getrandbits(96):024x}",
    }
