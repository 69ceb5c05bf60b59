#!/usr/bin/env bash
# timm 1.0.31 with torch 2.15.0: `forward_intermediates(norm=True)` norms the tokens of some vision transformers only.
#
# One would guess: with `norm=True` every intermediate map went through the network's last norm, as the argument is
# called, so that its variance over channels is about 1 in a network with its first weights.
# Seen: so it is for plain ViTs. Networks that average their tokens before the norm (BEiT, `..._rpn_...`, many that were
# fine-tuned) keep that norm under another name, `fc_norm`, and hold an Identity where it is looked for: `norm=True` gives
# just what `norm=False` gives, without a word.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 timm==1.0.31
"$folder/env/bin/python" - <<'PY'
import sys

import timm
import torch

seen = {}
for name in ("vit_tiny_patch16_224", "beit_base_patch16_224", "vit_base_patch16_rpn_224"):
    torch.manual_seed(0)
    network = timm.create_model(name).eval()
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        normed, plain = (
            network.forward_intermediates(images, indices=1, norm=norm)[1][-1] for norm in (True, False)
        )
    variance = float(normed.var(1, unbiased=False).mean())
    seen[name] = not torch.equal(normed, plain), abs(variance - 1) < 0.05
    print(f"{name}: norm=True changes the map: {seen[name][0]}; variance {variance:.3f}; norm: {network.norm}")
expected = {name: (name.startswith("vit_tiny"),) * 2 for name in seen}
sys.exit(seen != expected)
PY
