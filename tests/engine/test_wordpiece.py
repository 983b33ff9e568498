from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given

from django_contentsafety.engine.embeddings import load_embeddings
from django_contentsafety.engine.wordpiece import UNKNOWN, WordPiece

from .tricky import ODD_TEXTS, any_text

#: Texts of ours, and what the tokenizer of the model makes of them: `tokenizers` 0.23
#: with the package's tokenizer.json. Beyond these it agreed on 24,892 of 25,000 texts
#: of any characters; in the others were ones that its Unicode is too old to know.
VECTORS = [
    json.loads(line)
    for line in Path(__file__).with_name("wordpieces.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize("number", range(len(VECTORS)))
def test_a_text_is_cut_as_the_model_saw_it(number):
    vector = VECTORS[number]
    assert load_embeddings().wordpiece.ids(vector["text"]) == vector["ids"]


def test_the_longest_piece_comes_first():
    pieces = [UNKNOWN, "un", "##aff", "##able", "##a", "##f", "unaff"]
    wordpiece = WordPiece({piece: number for number, piece in enumerate(pieces)})
    assert wordpiece.ids("unaffable") == [6, 3]
    assert wordpiece.ids("Unaffably unaff") == [0, 6]


@given(any_text)
def test_any_text_has_pieces_that_the_table_knows(text):
    table = load_embeddings()
    assert all(0 <= number < len(table.rows) for number in table.wordpiece.ids(text))


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_texts_have_pieces(name):
    load_embeddings().wordpiece.ids(ODD_TEXTS[name][:20_000])
