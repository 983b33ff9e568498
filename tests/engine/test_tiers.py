"""A category of either tier, from samples to scores, and never of the wrong one."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from django_contentsafety import engine
from django_contentsafety.engine import harm
from django_contentsafety.engine.__main__ import main
from django_contentsafety.engine.artifacts import describe, dump, load
from django_contentsafety.engine.background import MINILM_EVERY, load_background
from django_contentsafety.engine.errors import ArtifactError, EngineError
from django_contentsafety.engine.samples import write_jsonl
from django_contentsafety.engine.scoring import analyze, logits, read
from django_contentsafety.engine.tiers import FAST, MINILM, TIERS, tier_named

from .made_up import make_samples
from .test_fuzz import odd_texts
from .tricky import ODD_TEXTS


@pytest.fixture(scope="module")
def minilm():
    return engine.train(make_samples(30, 30), name="made-up", tier="minilm")


@pytest.fixture(scope="module")
def fast(trained):
    return dump(trained.head, name="made-up", version=1)


def test_a_tier_that_there_isnt_is_refused_with_those_there_are():
    with pytest.raises(EngineError, match="fast, minilm"):
        tier_named("large")
    with pytest.raises(EngineError, match="fast, minilm"):
        engine.train(make_samples(20, 0), name="x", tier="large")


def test_the_tiers_share_their_ngrams_and_nothing_else():
    assert FAST.scheme.split()[0] == MINILM.scheme.split()[0]
    assert FAST.scheme != MINILM.scheme
    texts = ["The soup was warm.", "x" * 5000]
    one, other = (read(texts, name).features for name in TIERS)
    assert np.array_equal(one.indices, other.indices)
    assert np.array_equal(one.values, other.values)
    assert (one.dense.shape[1], other.dense.shape[1]) == (FAST.width, MINILM.width)


def test_the_background_is_the_same_texts_in_both():
    one, other = (load_background(name) for name in TIERS)
    rows = range(0, len(one.features), MINILM_EVERY)
    for mine, theirs in enumerate(rows):
        for a, b in zip(
            one.features.row(theirs), other.features.row(mine), strict=True
        ):
            assert np.array_equal(a, b)
    assert np.array_equal(one.sources[rows], other.sources)
    dense = other.features.dense
    assert dense.shape == (len(rows), MINILM.width)
    assert np.allclose(np.linalg.norm(dense, axis=1), 1, atol=1e-5)
    # What lies near in one lies near in the other; of other texts, or in another
    # order, it would lie anywhere: -0.01.
    nearness = [
        near(vectors, other.sources) for vectors in (one.features.dense[rows], dense)
    ]
    assert np.corrcoef(*nearness)[0, 1] > 0.3


def near(vectors, sources):
    """How near the first texts of each source lie to each other."""
    found = []
    for source in np.unique(sources):
        rows = vectors[sources == source][:100]
        rows = rows - rows.mean(axis=0)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        found.append((rows @ rows.T)[np.triu_indices(len(rows), 1)])
    return np.concatenate(found)


def test_a_category_of_the_encoder_is_trained_stored_and_scored(minilm):
    described = describe(minilm.artifact)
    assert described["features"] == MINILM.scheme
    assert described["bytes"] <= 300_000
    head = load(minilm.artifact)
    assert head.tier == "minilm"
    assert dump(head, name="made-up", version=1) == minilm.artifact
    texts = [sample.text for sample in make_samples(10, 10, seed=5)]
    scores = head.score(texts)
    assert min(scores[:10]) > max(scores[10:])
    assert minilm.card.positives == 30
    again = engine.train(make_samples(30, 30), name="made-up", tier="minilm")
    assert again.artifact == minilm.artifact
    assert again.card == minilm.card


def test_an_artifact_of_the_other_tier_is_refused_with_what_to_do(minilm, fast):
    with pytest.raises(
        ArtifactError, match=r"for the tier minilm.*is fast.*Score with"
    ):
        load(minilm.artifact, tier="fast")
    with pytest.raises(
        ArtifactError, match=r"for the tier fast.*build the version again"
    ):
        load(fast, tier="minilm")
    with pytest.raises(ArtifactError, match="tier minilm"):
        engine.score(["x"], categories=[minilm.artifact])
    with pytest.raises(ArtifactError, match="tier fast"):
        engine.score(["x"], categories=[fast], tier="minilm")


def test_built_in_categories_of_the_other_tier_are_refused():
    for name, other in (("fast", "minilm"), ("minilm", "fast")):
        data = harm.dump(harm.heads(name))
        assert harm.dump(harm.load(data, tier=name)) == data
        with pytest.raises(ArtifactError, match=f"for the tier {name}"):
            harm.load(data, tier=other)


def test_heads_of_two_tiers_share_no_pass(minilm, trained):
    heads = [trained.head, load(minilm.artifact)]
    with pytest.raises(EngineError, match="two tiers"):
        next(analyze(heads, ["x"]))


def test_many_texts_are_scored_as_each_is_alone(minilm):
    head = load(minilm.artifact)
    texts = [sample.text for sample in make_samples(5, 5, seed=8)]
    texts += ["", "The soup was warm. " * 60, "zugmat"]
    alone = [head.score([text])[0] for text in texts]
    assert head.score(texts) == pytest.approx(alone, abs=1e-6)


def test_the_weights_of_all_words_add_up_to_the_logit(minilm):
    head = load(minilm.artifact)
    for sample in make_samples(3, 3, seed=7):
        (logit,) = logits([head], read([sample.text], "minilm").features)[0]
        weights = [token.weight for token in head.explain(sample.text, limit=1000)]
        assert sum(weights) + head.bias == pytest.approx(logit, abs=1e-4)


def test_the_marked_words_explain_a_category_of_the_encoder(minilm):
    text = "mona tina zugmat mona tike"
    best = load(minilm.artifact).explain(text)[0]
    assert text[best.start : best.end] == "zugmat"


def test_odd_texts_are_scored_and_explained(minilm):
    texts = odd_texts(150)
    rows = engine.score(texts, categories=[minilm.artifact], tier="minilm")
    for text, row in zip(texts, rows, strict=True):
        assert all(0 <= score <= 1 for score in row["scores"].values())
        for span in row["spans"]:
            assert 0 <= span["start"] < span["end"] <= len(text)
            assert abs(span["weight"]) < 1e6


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_texts_have_built_in_scores(name):
    (row,) = engine.score([ODD_TEXTS[name]], tier="minilm")
    assert all(0 <= score <= 1 for score in row["scores"].values())


@pytest.mark.parametrize(
    ("category", "text", "harmless"),
    [
        ("Hate", "I hate immigrants, they are vermin.", "My dentist is an immigrant."),
        ("Violence", "I will kill you with a knife.", "They fell in love by the sea."),
        ("SelfHarm", "I want to kill myself tonight.", "Hang the picture higher."),
        ("Sexual", "Send me nude pictures, I am horny.", "The nurse was kind."),
        ("Harassment", "You are a pathetic idiot.", "I disagree, and here is why."),
    ],
)
def test_each_head_tells_its_category_from_its_neighbor(category, text, harmless):
    one = harm.heads("minilm")[category]
    bad, good = one.head.score([text, harmless])
    assert bad > 0.5 > good
    assert one.severity(bad) >= 4 > one.severity(good)


def test_the_built_in_heads_of_the_tier_are_small():
    assert len(harm.dump(harm.heads("minilm"))) <= 1_000_000


def test_a_shell_trains_and_scores_on_the_tier(tmp_path, capsys, minilm):
    samples = tmp_path / "samples.jsonl"
    samples.write_bytes(write_jsonl(make_samples(30, 30)))
    output = tmp_path / "category.bin"
    words = ["train", str(samples), "--name", "made-up", "-o", str(output)]
    assert main([*words, "--tier", "minilm"]) == 0
    assert "made-up: 30 positive" in capsys.readouterr().out
    assert output.read_bytes() == minilm.artifact

    def score(*tier):
        return subprocess.run(
            [
                *(sys.executable, "-m", "django_contentsafety.engine", "score"),
                *("--category", str(output), *tier),
            ],
            input='{"text": "mona zugmat"}\n',
            capture_output=True,
            text=True,
            check=False,
        )

    done = score("--tier", "minilm")
    assert (done.returncode, done.stderr) == (0, "")
    (expected,) = engine.score(
        ["mona zugmat"], categories=[output.read_bytes()], tier="minilm"
    )
    assert json.loads(done.stdout) == expected
    done = score()
    assert done.returncode == 1
    assert done.stderr.startswith("error: It was built for the tier minilm")
