"""Whether a text is in the language that the built-in categories know: English.

By its script, its commonest words, and letters that English has none of. It is no
language detector: of a few words in Latin letters it cannot tell, and then says that
the language is supported. Of the package's unrelated texts it calls all 229 English
ones supported, and 8 of the 80 others.
"""

from __future__ import annotations

import re

from .slices import script_of

__all__ = ["is_supported"]

_WORD = re.compile(r"[^\W\d_]+")
# Words that are among the commonest of a language; none of another is English.
_COMMON_ENGLISH = (
    "the and of to is it you that was for are with they this have from not be at we"
    " your my he she his her but what all were when there can an their if will me do so"
    " just about would how in on as by or i a"
)
_COMMON = {
    "German": "und der das ist nicht ich sie mit ein eine für auf dem den auch wir",
    "Dutch": "het een niet van voor zijn maar ook dat wij ik je en de",
    "French": "les des est pas une dans pour que qui vous nous avec sur ce mais je",
    "Spanish": "el los las por con una para como pero más muy es del lo al se su que",
    "Portuguese": "não uma com mais mas os são você ao do da em que",
    "Italian": "che di per non sono della il gli anche ma più questo è",
    "Polish": "się nie jest na że jak ale czy od przez",
    "Turkish": "ve bir bu için çok ama değil ile gibi",
    "Swedish": "och att det som är inte jag på för av",
}
_ENGLISH = frozenset(_COMMON_ENGLISH.split())
_OTHERS = [frozenset(words.split()) - _ENGLISH for words in _COMMON.values()]
# Characters of a text that are looked at.
_ENOUGH = 2_000


def is_supported(text: str) -> bool:
    """Whether the text seems to be English, or is too short or bare to tell."""
    script = script_of(text)
    if script == "none":
        return True
    if script != "Latin":
        return False
    words = [word.lower() for word in _WORD.findall(text[:_ENOUGH])]
    english = sum(word in _ENGLISH for word in words)
    # An accent says no more than that it is another one; "café" alone says nothing.
    other = max(
        sum(word in common or not word.isascii() for word in words)
        for common in _OTHERS
    )
    return other < 2 or english >= other
