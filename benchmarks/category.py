"""A category trained on the example's samples: what the texts are judged by."""

from __future__ import annotations

import json
import random
from pathlib import Path

from . import reports

DATA = reports.ROOT / "example_project/data"


def train(policy: str) -> None:
    """Build and activate it, and put ``policy`` live with one rule about it."""
    from django_contentsafety.flows import build
    from django_contentsafety.models import Category, Policy, PolicyRule

    samples = DATA / "crypto-scam.jsonl"
    category = Category.objects.create(
        name="crypto-scam", definition="Scams about coins.", provider="default"
    )
    build.import_samples(category, samples.read_bytes(), filename="", by="bench")
    job = build.start(build.freeze(category, by="bench"), by="bench")
    build.run(job)
    build.activate(job.version, by="bench")
    Policy.objects.filter(slug=policy).delete()
    PolicyRule.objects.create(
        policy=Policy.objects.create(slug=policy, mode="live"),
        category=category.name,
        scale="score",
        review_at=0.5,
        block_at=0.9,
    )


def texts(number: int, chance: random.Random) -> list[str]:
    """Messages like a guestbook's: the example's, one in twenty of them a scam."""
    lines = Path(DATA / "guestbook.jsonl").read_text(encoding="utf-8").splitlines()
    messages = [json.loads(line) for line in lines]
    scams = [m["text"] for m in messages if m["kind"] == "scam"]
    others = [m["text"] for m in messages if m["kind"] != "scam"]
    return [
        chance.choice(others if chance.random() > 0.05 else scams)
        for _ in range(number)
    ]
