#!/usr/bin/env bash
# pycocoevalcap 1.2 and torchmetrics 1.9.0: a caption that repeats its only reference word by word scores full marks only
# when it has four words.
#
# One would guess: CIDEr of captions that equal their references is 10 (its scale), BLEU-4 is 1; both libraries give the
# same BLEU-4.
# Seen: CIDEr is 2.5, 5, 7.5 and 10 for captions of one, two, three and four words, as orders of n-grams that a caption
# is too short for count as zero and not as absent. BLEU-4 of three words is 0.0316 in pycocoevalcap and 0 in
# torchmetrics. And where all photos have the same caption, CIDEr of that caption is 0: its words tell nothing apart.
# A data set of short captions ("red car") has a ceiling far below 10, which has to be computed to read a score.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pycocoevalcap==1.2 torch==2.15.0 torchmetrics==1.9.0
"$folder/env/bin/python" - <<'PY'
import contextlib
import io
import sys

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from torchmetrics.text import BLEUScore

photos = (("dog", "runs", "home", "slowly"), ("cat", "sleeps", "here", "again"), ("man", "walks", "north", "alone"))


def bleu(captions):
    with contextlib.redirect_stdout(io.StringIO()):
        return Bleu(4).compute_score(captions, captions)[0][3]


def cider(captions):
    return round(float(Cider().compute_score(captions, captions)[0]), 4)


seen = []
for words in (1, 2, 3, 4):
    captions = {number: [" ".join(photo[:words])] for number, photo in enumerate(photos)}
    both = [one for texts in captions.values() for one in texts]
    other = float(BLEUScore(n_gram=4)(both, [[one] for one in both]))
    seen.append((cider(captions), round(bleu(captions), 4), round(other, 4)))
    print(f"{words} words, each caption equal to its reference: CIDEr, BLEU-4, torchmetrics' BLEU-4: {seen[-1]}")
alike = cider(dict.fromkeys(range(3), ["a dog runs home slowly"]))
print(f"one caption for all photos, equal to their references: CIDEr {alike}")
sys.exit([row[0] for row in seen] != [2.5, 5.0, 7.5, 10.0] or not seen[2][1] > 0 == seen[2][2] or alike != 0)
PY
