"""What one may use instead, on the same texts.

alt-profanity-check pins its scikit-learn, so it and better-profanity are asked in an
environment of their own (``make bench-engine`` makes it); each has one score for all
categories. TF-IDF with logistic regression is trained on the same rows as the heads.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["SECONDS", "ask", "regression", "tfidf"]

#: Seconds that a peer may take for all texts; what it has not scored then is left out.
SECONDS = 120

_PROFANITY_CHECK = """
import json, sys
from profanity_check import predict_prob
texts = json.load(sys.stdin)
for start in range(0, len(texts), 500):
    for score in predict_prob(texts[start:start + 500]):
        print(json.dumps(float(score)), flush=True)
"""
_BETTER_PROFANITY = """
import json, sys
from better_profanity import profanity
profanity.load_censor_words()
for text in json.load(sys.stdin):
    print(json.dumps(float(profanity.contains_profanity(text))), flush=True)
"""
PEERS = {
    "alt-profanity-check": _PROFANITY_CHECK,
    "better-profanity": _BETTER_PROFANITY,
}


def ask(peer: str, python: Path, texts: Sequence[str]) -> list[float]:
    """The peer's scores of the first texts, as many as it managed in its time."""
    process = subprocess.Popen(
        [str(python), "-W", "ignore", "-c", PEERS[peer]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # Lone surrogates can't be written; no peer would find a word in them.
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    try:
        output, _ = process.communicate(json.dumps(clean), timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return [json.loads(line) for line in output.splitlines()]


def tfidf(texts: Sequence[str]) -> Any:
    """Vectors as most tutorials make them, fitted: words 1-2 and characters 3-5."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    vectors = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
        TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=3
        ),
    )
    return vectors.fit(texts)


def regression(matrix: Any, labels: Any, weights: Any) -> Any:
    """Logistic regression as most tutorials set it up."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(class_weight="balanced", solver="liblinear", tol=1e-3)
    return model.fit(matrix, labels, sample_weight=weights)
