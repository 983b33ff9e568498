from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from benchmarks.engine_attacks import ATTACKS, attacked
from benchmarks.engine_language import FOREIGN
from django_contentsafety.engine.common_words import load_common_words
from django_contentsafety.engine.language import is_supported
from django_contentsafety.engine.unrelated import unrelated_texts

from .tricky import ODD_TEXTS, any_text

#: What people type who care for no dictionary.
CASUAL = """\
lol u r so funny m8
omg i cant even rn
wtf is ur problem dude
kys nobody likes u
gonna grab lunch, u coming?
thx!! see ya 2nite
idk tbh, mayb tmrw
hahaha good one bro
stfu and go home
y'all ain't ready 4 this
dat boy crazy fr fr
pls dont tell mum
im sooooo tired today
ur mum's a joke
Wat r u doin 2day?
ngl that was lit af
brb gotta walk the dog
smh these ppl are idiots
he's gona regret dis
we r goin 2 da beach
cu l8r alligator
no way!!! shut up!!!
teh qiuck borwn fox jumsp over teh lazzy dog
I recieved teh pakage yestarday adn its borken
definately the wierdest acomodation I beleive
Mohammed met Giovanni and Agnieszka at Heathrow.
Zlatan Ibrahimović scored twice for Milan.
Angela Merkel and Emmanuel Macron met in Berlin.
José's café in São Paulo is the best!
The naïve fiancé ordered crème brûlée.
Visit München and Zürich while you are there.
Dr. Nguyen moved to Reykjavík last year.
y0u 4re a f00l and n0body l1kes y0u
y o u are so s t u p i d
fuuuuck thiiiis sooo much
H€llo there, my fr1end
WHY ARE YOU SHOUTING AT ME
the die is cast, so is the hat on the man
Comment: plus one for the car, per visa rules
a war in the old land was over
OK
No.
kthxbye
asdfgh
Idiotic comment.
Müller
José García
Zoë Kravitz
Purple elephants devour frozen Blorf Xyzzap Qwerg
B. J. K. Q. V. X. Y. Z. F. P. W. D.""".splitlines()


def rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in FOREIGN.read_text("utf-8").splitlines()]


def test_fewer_than_3_in_100_foreign_sentences_pass_for_english() -> None:
    texts = [row["text"] for row in rows()]
    languages = Counter(row["language"] for row in rows())
    assert len(texts) >= 500
    assert len(languages) > 60
    missed = [text for text in texts if is_supported(text)]
    assert len(missed) < 0.03 * len(texts), missed


@pytest.mark.parametrize("language", ["de", "fr", "es", "it", "pt", "nl", "pl", "tr"])
def test_no_common_language_is_missed_much(language: str) -> None:
    texts = [row["text"] for row in rows() if row["language"] == language]
    assert sum(map(is_supported, texts)) <= 0.05 * len(texts)


def test_other_languages_pass_for_english_no_more_without_their_accents() -> None:
    bare = str.maketrans("äöüßéèêàáíóúñçãõâîôåæø", "aouseeeaaiouncaoaioaao")
    wanted = {"de", "fr", "es", "it", "pt", "nl", "sv", "da"}
    texts = [
        row["text"].lower().translate(bare)
        for row in rows()
        if row["language"] in wanted
    ]
    missed = [text for text in texts if is_supported(text)]
    assert len(missed) < 0.06 * len(texts), missed


def test_english_is_supported_as_it_is_typed() -> None:
    ours = [one.text for one in unrelated_texts()[1] if one.language in ("en", "")]
    assert len(ours) > 200
    assert [text for text in [*CASUAL, *ours] if not is_supported(text)] == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_english_stays_english_when_its_words_are_hidden(attack) -> None:  # type: ignore[no-untyped-def]
    ours = [one.text for one in unrelated_texts()[1] if one.language == "en"]
    hidden = attacked(attack, ours)
    missed = [text for text in hidden if not is_supported(text)]
    assert len(missed) <= 0.02 * len(ours), missed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("12:30 !!", True),
        ("\U0001f600", True),
        ("https://example.org/uber-uns/kontakt @kunde #wirsindmehr", True),
        ("What a lovely site, and the photos are good.", True),
        ("die neue Version ist nicht gut und auch zu teuer", False),
        ("Je ne sais pas pour qui vous faites cela", False),
        ("B\u0159\u00ed\u0161t\u011b p\u0159ijedeme d\u0159\u00edve.", False),
        ("The caf\u00e9 is open", True),
        ("Danke sch\u00f6n", False),
        (
            "\u0437\u0434\u0440\u0430\u0432\u0441\u0442\u0432\u0443\u0439\u0442\u0435",
            False,
        ),
        ("\u4f60\u597d\u4e16\u754c", False),
        ("ok", True),
        # A foreign word in an English sentence, and the reverse.
        ("My grandma always said guten Tag to the neighbors.", True),
        ("Meine Oma sagt immer good morning zu den Nachbarn.", False),
    ],
)
def test_the_language_is_told_by_script_and_words(text: str, expected: bool) -> None:
    assert is_supported(text) is expected


@given(any_text)
def test_any_text_has_an_answer(text: str) -> None:
    assert is_supported(text) in (True, False)


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_texts_have_an_answer(name: str) -> None:
    assert is_supported(ODD_TEXTS[name]) in (True, False)


@given(st.sampled_from([*CASUAL, *(row["text"] for row in rows())]))
def test_case_and_the_spaces_around_do_not_matter(text: str) -> None:
    # Not every letter has a case to go to and come back from.
    if text.upper().lower() == text.lower():
        assert is_supported(f"\n {text.upper()}  ") is is_supported(text.lower())


def test_the_words_are_sorted_out() -> None:
    words = load_common_words()
    assert words.shared < words.english
    assert not words.english & words.ambiguous
    assert not words.other & (words.english | words.ambiguous)
    every = words.english | words.ambiguous | words.other
    assert all(word == word.lower() and word.isalpha() for word in every)
    # As they are typed without accents.
    assert {"für", "fur", "não", "nao"} <= words.other
