from __future__ import annotations

from django_contentsafety.engine.frozen import read_frozen
from django_contentsafety.engine.samples import Sample, write_jsonl

SAMPLES = [
    Sample(text=f"sample\n{n}\u2028\r", is_positive=bool(n % 2)) for n in range(6)
]


def test_samples_are_found_by_their_place():
    data = write_jsonl(SAMPLES)
    everything = read_frozen(data)
    assert list(everything) == list(range(6))
    assert [sample.text for sample in everything.values()] == [
        sample.text for sample in SAMPLES
    ]
    assert read_frozen(data, [4, 1, 4, 6, 99, -1]) == {
        1: everything[1],
        4: everything[4],
    }


def test_an_erased_line_moves_no_other():
    lines = write_jsonl(SAMPLES).splitlines(keepends=True)
    lines[1] = lines[3] = b'{"erased": true}\n'
    data = b"".join(lines)
    assert list(read_frozen(data)) == [0, 2, 4, 5]
    assert list(read_frozen(data, [1, 2])) == [2]
    assert read_frozen(data)[4] == read_frozen(write_jsonl(SAMPLES))[4]
