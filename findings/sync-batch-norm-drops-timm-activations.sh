#!/usr/bin/env bash
# torch 2.15.0 with timm 1.0.31: torch's conversion to synchronised batch norm takes the activations off timm's networks.
#
# One would guess: `torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)` changes which images batch statistics are
# taken over, and nothing in evaluation mode, where running statistics are used.
# Seen: timm's `BatchNormAct2d` is a BatchNorm2d with its activation inside. torch replaces it by a plain SyncBatchNorm,
# without a word: an EfficientNet loses all of its SiLUs but those of its squeeze layers, and gives other features, in
# evaluation mode as well. ResNets of timm keep norm and activation apart and are not touched.
# `timm.layers.convert_sync_batchnorm` keeps the activations.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 timm==1.0.31
"$folder/env/bin/python" - <<'PY'
import sys
from copy import deepcopy

import timm
import torch
from timm.layers import convert_sync_batchnorm


def change(name: str, convert) -> float:
    """Largest change of the features in evaluation mode, as a share of the largest feature."""
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0).eval()
    images = torch.randn(2, 3, 64, 64)
    # In evaluation mode synchronised layers are ordinary ones, and run on the CPU.
    with torch.no_grad():
        before, after = network(images), convert(deepcopy(network)).eval()(images)
    return float((before - after).abs().max() / before.abs().max())


torchs = torch.nn.SyncBatchNorm.convert_sync_batchnorm
seen = {name: (change(name, torchs), change(name, convert_sync_batchnorm)) for name in ("efficientnet_b0", "resnet18")}
for name, (by_torch, by_timm) in seen.items():
    print(f"{name}: features change by {by_torch:.2g} of the largest with torch's conversion, {by_timm:.2g} with timm's")
efficient, plain = seen["efficientnet_b0"], seen["resnet18"]
sys.exit(not (efficient[0] > 0.01 and efficient[1] < 1e-5 and max(plain) < 1e-5))
PY
