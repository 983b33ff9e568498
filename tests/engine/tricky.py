"""Texts that break naive code, and strategies that make more of them."""

from __future__ import annotations

from hypothesis import strategies as st

#: What people and machines type to hide a word or to break a parser.
PIECES = [
    "a",
    "A",
    "\u0430",  # Cyrillic a
    "\u0391",  # Greek capital alpha
    "ass",
    "CLASS",
    "a$$",
    "4ss",
    "assss",
    "a.s.s",
    "a s s",
    "x_y",
    "1990s",
    "@name",
    "$100",
    "!",
    ".",
    " ",
    "\n",
    "\u00a0",
    "\u2028",
    "\u200b",
    "\u200d",
    "\u202e",
    "\ufeff",
    "\x00",
    "\x1f",
    "\ud800",
    "\udfff",
    "\uffff",
    "e\u0301",
    "\u0301" * 3,
    "\u0130",
    "\u00df",
    "\ufb03",
    "\u1112\u1161\u11ab",
    "\uff76\uff9e",
    "\u0939\u093f\u0928\u094d\u0926\u0940",
    "\u6b7b\u306d",
    "\u0e01\u0e01\u0e01\u0e01",
    "\U0001f600",
    "\U0001d400",
]

#: Any str at all, lone surrogates and NUL included, and mixtures of the pieces.
any_text = st.one_of(
    st.text(alphabet=st.characters()),
    st.lists(st.sampled_from(PIECES)).map("".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3))).map("".join),
)

ODD_TEXTS = {
    "empty": "",
    "space": " \n\t",
    "nul": "\x00",
    "emoji": "\U0001f600",
    "lone surrogate": "\ud800 and \udfff",
    "override": "\u202eabc\u202c",
    "zero width": "\u200b" * 50,
    "marks": "\u0301" * 1000,
    "one letter": "a" * 1_000_000,
    "one emoji": "\U0001f600" * 100_000,
    "marks without end": "a" + "\u0316\u0301" * 100_000,
    "signs": "$" * 300_000 + "!@" * 300_000,
    "leet without end": "a@" * 300_000,
    "spaced without end": "a " * 300_000,
    "dotted without end": "a." * 300_000 + "bc",
    "one long word": "ab" * 300_000,
    "words without end": "kick the can " * 50_000,
    "line separators": "\u2028\u0085\x0b" * 10_000,
}
