"""A folder in the shape of the public data. Nobody wrote what stands in it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path


def table(
    file: Path, head: str, rows: Iterable[Sequence[object]], delimiter: str = ","
) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, delimiter=delimiter)
        writer.writerow(head.split())
        writer.writerows(rows)


def make_folder(folder: Path) -> Path:
    """Write every file that the loaders read."""
    number = range(12)
    table(
        folder / "toxic_spans_comments.csv",
        "comment_id comment_text",
        [(n, f"comment {n} on the {'vaks' if n % 2 else 'harbor'}") for n in number],
    )
    marks = [(3 * n + k, n, k) for n in number for k in range(3)]
    table(
        folder / "toxic_spans_annotations.csv",
        "annotation comment_id worker country",
        [(mark, n, k, "X") for mark, n, k in marks],
    )
    # The header's names have spaces, which `table` would part.
    for name, column in (("all toxic", 0), ("not toxic", 1)):
        add_column(
            folder / "toxic_spans_annotations.csv",
            name,
            [column == 1 and n % 2 == 0 for _, n, _ in marks],
        )
    table(
        folder / "toxic_spans_spans.csv",
        "annotation type start end",
        [
            (mark, kind, 0, 4)
            for mark, n, k in marks
            if n % 2
            for kind in ("Insult", *(["Identity based Attack"] if k < n % 3 else []))
        ],
    )
    table(
        folder / "edos_labelled_aggregated.csv",
        "rewire_id text label_sexist label_category label_vector split",
        [
            ("a", "a post about soup [URL]", "not sexist", "none", "none", "train"),
            ("b", "zug them all", "sexist", "1. threats", "1.2 incitement", "train"),
            ("c", "vaks are mats", "sexist", "2. derogation", "2.1 attack", "train"),
        ],
    )
    table(
        folder / "davidson_labeled_data.csv",
        "x count hate_speech offensive_language neither class tweet",
        [(n, 3, 0, 0, 0, n % 3, f"tweet {n} of rips") for n in number],
    )
    table(
        folder / "toxigen_demonstrations.tsv",
        "label group text",
        [("hate", "g", "rips are worse"), ("neutral", "g", "rips like tea")],
        delimiter="\t",
    )
    table(
        folder / "identity_templates_en.csv",
        "template toxicity phrase",
        [
            ("being_adj", "nontoxic", "Being rip is fine"),
            ("being_adj", "toxic", "Being rip is foul"),
            ("name_adj", "toxic", "Ann is a foul rip"),
        ],
    )
    table(
        folder / "ailuminate_demo_en.csv",
        "release_prompt_id prompt_text hazard persona locale prompt_hash",
        [
            (n, f"how to {hazard} {n}", hazard, "p", "en", "h")
            for hazard in ("ssh", "vcr", "hte", "cse", "prv")
            for n in number
        ],
    )
    (folder / "catqa_english.json").write_text(
        json.dumps({"A": {"Self-harm": ["how to mat"], "Trojans": ["how to xor"]}})
    )
    table(
        folder / "surge_toxicity_en.csv",
        "text is_toxic",
        [(f"you mat {n}", "Toxic") for n in number],
    )
    with (folder / "surge_toxicity_en.csv").open("a") as file:
        file.writelines(f"a kind word {n},Not Toxic\n" for n in number)
    table(
        folder / "surge_profanity_en.csv",
        "text category_1 severity_rating",
        [
            ("zugmat", "sexual anatomy / sexual acts", 2),
            ("vakrip", "sexual anatomy / sexual acts", 2),
            ("vaks", "racial / ethnic slurs", 2.4),
        ],
    )
    (folder / "ldnoobw_en.txt").write_text("xormat\n")
    (folder / "clinc150_data_full.json").write_text(
        json.dumps({"train": [[f"what is the weather in {n}", "w"] for n in number]})
    )
    for part in ("train", "test"):
        table(
            folder / f"banking77_{part}.csv",
            "text category",
            [(f"{part} card {n}", "c") for n in number],
        )
    (folder / "sms_spam.tsv").write_text("ham\tsee you at 5\nspam\twin a boat\n")
    return folder


def add_column(file: Path, name: str, values: Iterable[bool]) -> None:
    head, *rows = file.read_text().splitlines()
    lines = [f"{head},{name}"]
    lines += [f"{row},{value}" for row, value in zip(rows, values, strict=True)]
    file.write_text("\n".join(lines) + "\n")
