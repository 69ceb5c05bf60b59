"""Whether captions are in the language that is taken for granted, told by their letters and commonest small words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

from wordsight.concepts.splitters import splitter
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting

# The commonest small words of languages with Latin letters, as they come in captions; languages with other letters are
# told by these.
_SMALL_WORDS = {
    "English": """a an the of in on at to with by for from is are was were be and or as it its his her their this that
        there he she they who which while into onto up out off over under near next through behind around two has have
        not no some one other another""",
    "Croatian": "u na i s sa je su se za od do iz po pri kraj pored iznad ispod koji koja koje dva dvije ili kako nije",
    "Czech": "a v ve na s se je jsou do za k ke po u z ze pro od jeho jako které který která při před své jsou dva dvě",
    "Danish": "en et og på af med til er det den der som ved fra har sig ud op mens foran et to efter ind bag over",
    "Dutch": "een de het en van op in met is zijn aan bij naar voor die dat door uit terwijl over onder tegen twee",
    "Filipino": "ang ng sa mga na at si ay may nasa isang dalawang habang kasama tabi ibabaw harap likod ito siya nila",
    "Finnish": "ja on ovat jossa joka kun ei se hän mutta sekä kaksi päällä vieressä edessä takana joka jonka kanssa",
    "French": "un une des le la les de du et en au aux sur dans avec est sont qui que par pour deux son sa ses il elle",
    "German": """ein eine einen einem einer eines der die das den dem des und auf mit in im am an ist sind sich von vor
        zu zum zur bei aus über während einige zwei sein seine ihre einander hinter neben unter durch""",
    "Hungarian": "egy a az és van egyik két mellett előtt között alatt mögött hogy ami amint miközben áll fel le is",
    "Indonesian": "dan di yang dengan untuk dari pada ini itu seorang sebuah seekor dua sedang ke dalam atas",
    "Italian": """un una uno il lo la le gli i di del della dei delle e ed in nel nella con su sul sulla per da dal è
        sono che si al alla due mentre""",
    "Maori": "te he ki i o a ngā nga me kei e ana tētahi tetahi rua ka mai atu runga raro roto",
    "Norwegian": "en ei et og på av med til er det den som ved fra har seg ut opp mens foran to etter inn bak over",
    "Polish": "w we na z ze i jest są się do po za od przez dla o u jak jego jej które który która przed obok dwa dwie",
    "Portuguese": """um uma o os as de do da dos das e em no na nos nas com por para está estão que seu sua ao à duas
        dois enquanto""",
    "Romanian": "un o și în pe la cu de din este sunt care se lângă doi două pentru ale ai al lui sa său în timp ce",
    "Spanish": """un una unos unas el la los las de del y en con por para está están que su sus se al sobre dos mientras
        es son""",
    "Swahili": "ya wa na kwa katika la za cha vya ni yake wake mbele juu kando huku pamoja moja mbili mtu watu",
    "Swedish": "en ett och på av med till är det den som vid från har sig ut upp medan framför två efter bakom över",
    "Turkish": "bir ve bu ile için olan iki üzerinde içinde yanında önünde da de çok o kadar gibi eden doğru",
    "Vietnamese": """một và của là có trong trên với người đang những các cho không này đó được ở hai bên cạnh trước sau
        dưới màu con chiếc cái""",
}
_OTHER_LETTERS = "one with other letters"
_LISTS = {name: frozenset(small.split()) for name, small in _SMALL_WORDS.items()}
# More of the captions than this in other languages, and so many concepts are words that were tagged wrongly.
_MOST = 0.2
# Words such as "in", "an" and "over" are small words of several languages: another one must have so many more.
_LEAD = 2


# Concept sets that the English tagger makes.
TAGGED = ("postag", "synsets")


def is_english(language: str) -> bool:
    """Whether what a corpus calls a language is English, such as "en" or "en-GB"."""
    return re.split("[-_]", language.lower())[0] in ("en", "eng", "english")


def english_languages(corpus: Corpus) -> tuple[str, ...]:
    """The languages of a corpus whose captions may be English: "" is that of captions whose language is not said.

    None where the corpus says no languages, or no others than English.
    """
    english = tuple(name for name in corpus.language_names if is_english(name))
    if len(english) == len(corpus.language_names):
        return ()
    unsaid = corpus.info["counts"]["captions"] > sum(corpus.language_names.values())
    return (*english, "") if unsaid or not english else english


def check_english(texts: Iterable[tuple[str, str]], corpus: Corpus, *, why: str, mend: str) -> None:
    """Refuse texts that are taken for English and are not.

    Args:
        texts: An even sample of them, each with its language; "" where that is not said, and English where that is said
            of it: then its letters and small words tell.
        corpus: Where they are.
        why: What is made for English alone.
        mend: What else can be done.

    Raises:
        InputError: When more than a fifth of them are in other languages; it names the commonest of those.
    """
    told = Counter(said if said and not is_english(said) else language_of(text) for text, said in texts)
    others = told.total() - told["English"]
    if others <= _MOST * told.total():
        return
    most = max((name for name in told if name != "English"), key=lambda name: (told[name], name))
    if english := [name for name in corpus.language_names if is_english(name)]:
        mend += f", or give {setting('language', english[0])}"
    raise InputError(
        f"{others / told.total():.0%} of the captions are not English (most of those: {most}), and {why}",
        where=corpus.path,
        mend=mend,
    )


def language_of(text: str) -> str:
    """The language of a caption, by its letters and small words; English where nothing tells of another."""
    letters = [letter for letter in text if letter.isalpha()]
    if 2 * sum(map(_is_latin, letters)) < len(letters):
        return _OTHER_LETTERS
    words = [word.lower() for word in splitter("unicode").words(text)]
    count = {name: sum(word in small for word in words) for name, small in _LISTS.items()}
    best = max(count, key=count.__getitem__)
    return best if count[best] >= count["English"] + _LEAD else "English"


@cache
def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN")
