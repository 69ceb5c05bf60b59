"""Which drawings the embedded pictures are made of, and what each is called.

A drawing is found by its code points, as OpenMoji names its files, and called by a word of its name in the ``emoji``
package. Captioned words are one wordpiece of the BERT vocabulary each, so that each can be masked. Of drawings that
look alike only one is in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ATTRIBUTION = "Drawings by OpenMoji (https://openmoji.org), the open-source emoji and icon project, CC BY-SA 4.0."
"""What everything that shows the drawings must say (https://creativecommons.org/licenses/by-sa/4.0/)."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing of the catalogue.

    Args:
        name: The word that captions and labels call it by, lower case.
        code_points: The OpenMoji file it is drawn in, without its suffix.
        colour: The colour a caption may give it; None where it has several or none worth saying.
    """

    name: str
    code_points: str
    colour: str | None = None


# word, code points, and the colour where there is one to say
_CAPTIONED = """
dog 1F436, cat 1F408, horse 1F40E brown, cow 1F42E, pig 1F437 pink, elephant 1F418 gray, lion 1F981, tiger 1F42F,
bear 1F43B brown, rabbit 1F430, mouse 1F401 gray, monkey 1F412 brown, frog 1F438 green, fox 1F98A, snake 1F40D green,
turtle 1F422 green, fish 1F41F blue, shark 1F988 gray, whale 1F433 blue, octopus 1F419 red, crab 1F980 red,
snail 1F40C, butterfly 1F98B blue, spider 1F577, chicken 1F414, duck 1F986, owl 1F989, penguin 1F427, camel 1F42B,
deer 1F98C brown, bat 1F987 black, panda 1F43C, apple 1F34E red, apple 1F34F green, banana 1F34C yellow,
lemon 1F34B yellow, pear 1F350 green, peach 1F351 pink, strawberry 1F353 red, carrot 1F955 orange, mushroom 1F344 red,
egg 1F95A white, pizza 1F355, hamburger 1F354, cake 1F382, key 1F511 orange, lock 1F512 yellow, book 1F4D6,
pencil 270F, hammer 1F528, bell 1F514 yellow, drum 1F941 red, guitar 1F3B8 red, trumpet 1F3BA yellow,
telephone 260E red, camera 1F4F7, television 1F4FA, clock 23F0 white, candle 1F56F, battery 1F50B, magnet 1F9F2,
umbrella 2602 purple, hat 1F3A9 black, crown 1F451 yellow, shirt 1F455 blue, dress 1F457 blue, boot 1F462 brown,
ring 1F48D, backpack 1F392 red, ball 26BD, balloon 1F388 red, gift 1F381, trophy 1F3C6 yellow, kite 1FA81 pink,
tent 26FA, castle 1F3F0, house 1F3E0, church 26EA, tree 1F333 green, cactus 1F335 green, leaf 1F341 orange,
car 1F697 red, bus 1F68C red, bicycle 1F6B2 red, tractor 1F69C green, airplane 2708 gray, helicopter 1F681 red,
rocket 1F680, boat 26F5, anchor 2693, bed 1F6CF blue, chair 1FA91 yellow, door 1F6AA brown, spoon 1F944 gray,
bottle 1F37C blue, glass 1F377 red, sun 2600 yellow, moon 1F319 yellow, star 2B50 yellow, cloud 2601 gray,
rainbow 1F308, fire 1F525, volcano 1F30B, heart 2764 red, heart 1F9E1 orange, heart 1F49B yellow, heart 1F49A green,
heart 1F499 blue, heart 1F49C purple, heart 1F90E brown, heart 1F5A4 black, heart 1F90D white, heart 1FA77 pink,
circle 1F534 red, circle 1F7E0 orange, circle 1F7E1 yellow, circle 1F7E2 green, circle 1F535 blue,
circle 1F7E3 purple, circle 1F7E4 brown, circle 26AB black, circle 26AA white, square 1F7E5 red, square 1F7E7 orange,
square 1F7E8 yellow, square 1F7E9 green, square 1F7E6 blue, square 1F7EA purple, square 1F7EB brown,
square 2B1B black, square 2B1C white, robot 1F916 gray, ghost 1F47B white, alien 1F47D gray, skull 1F480 white,
bomb 1F4A3 gray, tooth 1F9B7 white, brain 1F9E0 pink, eye 1F441, ear 1F442 yellow, hand 270B yellow, wheel 1F6DE,
ladder 1FA9C, bucket 1FAA3 blue, broom 1F9F9, envelope 2709 gray
"""

_UNSEEN = """
pineapple 1F34D, watermelon 1F349, eggplant 1F346, doughnut 1F369, croissant 1F950, pretzel 1F968, cupcake 1F9C1,
sushi 1F363, taco 1F32E, waffle 1F9C7, popcorn 1F37F, grapes 1F347, cherries 1F352, giraffe 1F992, hippopotamus 1F99B,
rhinoceros 1F98F, hedgehog 1F994, chipmunk 1F43F, koala 1F428, raccoon 1F99D, skunk 1F9A8, sloth 1F9A5, peacock 1F99A,
flamingo 1F9A9, jellyfish 1FABC, honeybee 1F41D, scorpion 1F982, snowman 26C4, snowflake 2744, tornado 1F32A,
tulip 1F337, hourglass 231B, stethoscope 1FA7A, thermometer 1F321, syringe 1F489, toothbrush 1FAA5, screwdriver 1FA9B,
paperclip 1F4CE, joystick 1F579, headphone 1F3A7, skateboard 1F6F9, bathtub 1F6C1, wastebasket 1F5D1, teapot 1FAD6,
glasses 1F453, necktie 1F454, jeans 1F456, bikini 1F459, microphone 1F3A4, saxophone 1F3B7, accordion 1FA97,
abacus 1F9EE, dna 1F9EC, globe 1F30D, puzzle 1F9E9, parachute 1FA82, satellite 1F6F0, canoe 1F6F6, wheelchair 1F9BD,
scissors 2702
"""


def _catalogue(lines: str) -> Mapping[str, tuple[Drawing, ...]]:
    drawings: dict[str, tuple[Drawing, ...]] = {}
    for entry in lines.split(","):
        name, code_points, *colour = entry.split()
        drawings[name] = (*drawings.get(name, ()), Drawing(name, code_points, colour[0] if colour else None))
    return MappingProxyType(drawings)


CAPTIONED: Mapping[str, tuple[Drawing, ...]] = _catalogue(_CAPTIONED)
"""The 120 words of the captions, each with its drawings: one, or one in each colour."""

UNSEEN: Mapping[str, tuple[Drawing, ...]] = _catalogue(_UNSEEN)
"""The 60 classes of the transfer task: drawings that no scene with captions ever holds."""
