"""The built-in categories: what ships loads, scores and refuses as it says."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from django_contentsafety.engine import harm
from django_contentsafety.engine.errors import ArtifactError
from django_contentsafety.engine.unrelated import unrelated_texts
from django_contentsafety.verdicts import HarmCategory

from .tricky import ODD_TEXTS

SHIPPED = Path(harm.__file__).parent / "weights" / "harm.bin"


def test_the_four_and_our_own() -> None:
    assert set(harm.heads()) == {*HarmCategory.values, "Harassment"}
    assert tuple(harm.heads()) == harm.CATEGORIES


def test_the_file_is_small() -> None:
    assert SHIPPED.stat().st_size <= 500_000


def test_it_is_stored_as_it_is_loaded() -> None:
    data = SHIPPED.read_bytes()
    assert harm.dump(harm.load(data)) == data


@pytest.mark.parametrize(
    ("category", "text", "harmless"),
    [
        ("Hate", "I hate immigrants, they are vermin.", "My dentist is an immigrant."),
        ("Violence", "I will kill you with a knife.", "They fell in love by the sea."),
        (
            "SelfHarm",
            "I want to kill myself tonight.",
            "Hang the picture higher.",
        ),
        ("Sexual", "Send me nude pictures, I am horny.", "The nurse was kind."),
        ("Harassment", "You are a pathetic idiot.", "I disagree, and here is why."),
    ],
)
def test_each_head_tells_its_category_from_its_neighbor(
    category: str, text: str, harmless: str
) -> None:
    one = harm.heads()[category]
    bad, good = one.head.score([text, harmless])
    assert bad > 0.5 > good
    assert one.severity(bad) >= 4 > one.severity(good)


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_no_text_makes_a_nan(text: str) -> None:
    for one in harm.heads().values():
        (score,) = one.head.score([text])
        assert 0 <= score <= 1
        assert 0 <= one.severity(score) <= 7


@given(st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None)
def test_a_higher_score_is_never_a_lower_severity(one: float, other: float) -> None:
    for head in harm.heads().values():
        low, high = sorted((one, other))
        assert 0 <= head.severity(low) <= head.severity(high) <= 7


def test_severities_begin_where_they_say() -> None:
    for one in harm.heads().values():
        assert list(one.severities) == sorted(set(one.severities))
        for level, logit in enumerate(one.severities, start=1):
            score = 1 / (1 + math.exp(-logit))
            assert one.severity(score * (1 + 1e-9)) == level
            assert one.severity(score * (1 - 1e-6)) == level - 1
        assert one.severity(0.0) == 0
        assert one.severity(1.0) == 7
        assert one.severity(one.head.threshold * (1 + 1e-9)) == harm.DETECTED_FROM


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: b"", "not the built-in categories"),
        (lambda data: data[:60], "checksum"),
        (lambda data: data[:20], "cut short"),
        (lambda data: data[:-1], "checksum"),
        (lambda data: data[:5000] + b"?" + data[5001:], "checksum"),
        (lambda data: data[:8] + b"\0\x63" + data[10:], "version 99"),
    ],
)
def test_what_is_damaged_is_refused_with_the_reason(spoil, reason) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ArtifactError, match=reason) as caught:
        harm.load(spoil(SHIPPED.read_bytes()))
    assert "again" in str(caught.value)


def test_severities_that_do_not_rise_are_refused() -> None:
    found = dict(harm.heads())
    hate = found["Hate"]
    found["Hate"] = harm.HarmHead(head=hate.head, severities=hate.severities[::-1])
    with pytest.raises(ArtifactError, match="severities of Hate"):
        harm.load(harm.dump(found))


def test_threads_that_come_first_together_score_alike() -> None:
    harm.heads.cache_clear()
    gate = threading.Barrier(8)
    scores: list[float] = []

    def score() -> None:
        gate.wait()
        scores.extend(harm.heads()["Hate"].head.score(["I hate them all"]))

    threads = [threading.Thread(target=score) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scores) == 8
    assert len(set(scores)) == 1


FORKED = """
import os
from django_contentsafety.engine import harm
before = harm.heads()["Hate"].head.score(["I hate them all"])
child = os.fork()
after = harm.heads()["Hate"].head.score(["I hate them all"])
if not child:
    os._exit(0 if after == before else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_scores_alike() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0"


COLD = """
import os, threading
from django_contentsafety import engine
gate = threading.Barrier(8)
found = []
def score():
    gate.wait()
    found.append(list(engine.score(["I hate them all", "Sooo niiice"])))
threads = [threading.Thread(target=score) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
child = os.fork()
found.append(list(engine.score(["I hate them all", "Sooo niiice"])))
alike = len(found) == 9 and all(one == found[0] for one in found)
if not child:
    os._exit(0 if alike else 1)
print(alike, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_cold_process_is_scored_in_by_threads_and_forked_alike() -> None:
    """Heads, embeddings and memos are all read by the threads' first calls."""
    done = subprocess.run(
        [sys.executable, "-c", COLD], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "0"]


def test_importing_reads_nothing() -> None:
    code = (
        "import sys; from django_contentsafety.engine import harm;"
        "print('numpy' in sys.modules, harm.heads.cache_info().currsize)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "0"]


def test_the_false_alarms_on_ordinary_texts_are_those_that_the_document_tells() -> None:
    document = Path(__file__).parents[2] / "docs" / "explanation" / "engine.md"
    told = re.findall(
        r"^\| (\w+) \| (\d+, \d+, \d+) \| (\d+, \d+, \d+) \|$",
        document.read_text(encoding="utf-8"),
        re.M,
    )
    _, texts = unrelated_texts()
    english = [one.text for one in texts if one.language in ("en", "")]
    others = [one.text for one in texts if one.language not in ("en", "")]
    assert (len(english), len(others)) == (229, 80)

    def flagged(one: harm.HarmHead, some: list[str]) -> str:
        found = [one.severity(score) for score in one.head.score(some)]
        return ", ".join(str(sum(s >= at for s in found)) for at in (2, 4, 6))

    assert told == [
        (name, flagged(one, english), flagged(one, others))
        for name, one in harm.heads().items()
    ]
