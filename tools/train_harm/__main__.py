"""Train, calibrate and write the built-in categories."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from django_contentsafety.engine import harm
from django_contentsafety.engine.tiers import FAST, TIERS

from .calibrate import calibrate
from .fit import fit, held_out, targets
from .heads import rounded
from .matrix import featurize
from .rows import CATEGORIES
from .selection import ROWS, first, select
from .sources import load

WEIGHTS = Path(harm.__file__).parent / "weights"


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools.train_harm", description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of the data sets")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--tier", choices=TIERS, default=FAST.name)
    options = parser.parse_args()
    options.output = options.output or WEIGHTS / harm.FILES[options.tier]
    try:
        data = train(options.data, options.tier)
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is missing; NOTICE says where the data come from.")
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    say(f"Wrote {options.output}: {len(data):,} bytes, SHA-256 {digest}.")


def train(folder: Path, tier: str = FAST.name) -> bytes:
    """Return the file of the heads; the same data give the same bytes.

    Those of the minilm tier hold on one processor: another one's sums may differ.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    # Sums depend on how many threads share them.
    with threadpool_limits(limits=1):
        rows = first(select(load(folder)), ROWS.get(tier))
        say(f"{len(rows):,} rows")
        matrix = featurize([row.text for row in rows], tier)
        logits = held_out(rows, matrix, say)
        weights = np.array([row.weight for row in rows])
        found = {}
        for category in CATEGORIES:
            say(f"{category}, all rows")
            labels = targets(rows, category)
            known = labels >= 0
            model = fit(matrix[known], labels[known], weights[known])
            found[category] = rounded(
                model, *calibrate(rows, category, logits[category]), tier=tier
            )
    return harm.dump(found)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
