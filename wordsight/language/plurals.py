"""What WordNet's rule for plurals gets wrong in captions: words that end like a plural and are none, and the like.

WordNet lists "eyes" (an opinion) and "shorts" (a garment) alike as nouns of their own. Of "eyes" in a caption the
singular is nearly always meant, of "shorts" never: which is which stands in no file, and so it stands here. Nouns that
are listed below are taken as they are; all others follow WordNet's rule.
"""

from __future__ import annotations

# Garments, tools, games, places, fields of study and so on whose singular is another thing, or none.
_OWN_MEANING = """
    shorts pants briefs slacks bloomers breeches jodhpurs khakis corduroys fatigues sweats
    glasses eyeglasses sunglasses spectacles specs shades pliers shears
    blues charades checkers craps darts draughts duckpins candlepins tenpins ninepins skittles quoits
    acoustics aesthetics esthetics aquatics dynamics ethics graphics harmonics heroics hysterics isometrics maths
    mechanics metrics mnemonics optics pharmaceutics physics pragmatics pyrotechnics statics statistics tactics
    therapeutics
    alps balkans bermudas highlands lowlands kansas laos lyons mars marseilles philippines tangiers thebes wales
    bleachers crossroads customs goods grits innings ironworks glassworks metalworks works jitters means outskirts
    shambles species tropics vibes victuals vespers wits woods congratulations savings yips hives megrims tums
"""
# Nouns that other lists of irregular plurals take for the plurals of rarer ones (a cola is no colon, a dive no diva).
_SINGULAR = """
    cola data dive crying graffiti guilder gurnard lei luba magi miri olea pilea pirogi pleura roma signore stamina
    sterna trivia vela cineraria pekingese omen dolmen limen
"""
# Small words of other kinds, which happen to be a noun and an ending.
_NO_NOUN = "as does goes has his is its thus us was yes"

OWN = frozenset(f"{_OWN_MEANING} {_SINGULAR}".split())
NO_NOUN = frozenset(_NO_NOUN.split())

# Plurals with their singulars where the rule gives another first: by captions, not by the alphabet.
SINGULARS: dict[str, tuple[str, ...]] = {
    "axes": ("axe", "ax", "axis"),
    "bunches": ("bunch",),
    "busses": ("bus", "buss"),
    "corpses": ("corpse",),
    "crosses": ("cross",),
    "ellipses": ("ellipse", "ellipsis"),
    "comics": ("comic",),
    "glasses": ("glasses", "glass"),
    "lenses": ("lens",),
    "marquises": ("marquis", "marquise"),
    "pinches": ("pinch",),
    "saxes": ("sax",),
    "syringes": ("syringe", "syrinx"),
    "synapses": ("synapse", "synapsis"),
    "chillies": ("chilli",),
    "taxis": ("taxi",),
}
