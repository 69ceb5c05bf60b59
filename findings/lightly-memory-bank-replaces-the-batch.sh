#!/usr/bin/env bash
# lightly 1.6.0 with torch 2.15.0: `NTXentLoss` with a memory bank asks one way only, and leaves the batch out.
#
# One would guess: vectors of a bank are further negatives beside the batch's other images, and the loss stays that of
# SimCLR: both views ask, so that exchanging the two arguments changes nothing.
# Seen: with a bank the batch's other images are no negatives at all (an image's loss is the same alone and beside
# others), the first view asks alone, and exchanging the views changes the loss. Until the bank has been filled, its
# negatives are random vectors, which are easy: the first steps' losses say nothing.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 lightly==1.6.0
"$folder/env/bin/python" - 2>/dev/null <<'PY'
import sys

import torch
from lightly.loss import NTXentLoss

torch.manual_seed(0)
first, second = torch.randn(6, 8), torch.randn(6, 8)


def loss(one, other, bank):
    torch.manual_seed(1)  # the bank begins with the same random vectors each time
    return float(NTXentLoss(temperature=0.5, memory_bank_size=(16, 8) if bank else 0)(one, other))


seen = {}
for bank in (False, True):
    alone = sum(loss(first[i : i + 1], second[i : i + 1], bank) for i in range(6)) / 6
    together, exchanged = loss(first, second, bank), loss(second, first, bank)
    seen[bank] = abs(together - exchanged) < 1e-5, abs(together - alone) < 1e-5
    print(f"bank: {bank}; together {together:.4f}, views exchanged {exchanged:.4f}, mean of each image alone {alone:.4f}")
sys.exit(seen != {False: (True, False), True: (False, True)})
PY
