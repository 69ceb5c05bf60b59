"""Where bf16 pays: hardware that multiplies it; emulated, it is slower than float32."""

from __future__ import annotations

import torch


def precision_on(device: torch.device) -> torch.dtype:
    """bf16 where the hardware multiplies it, else float32.

    Args:
        device: Where the network runs.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        # Private names: a later torch may drop them, and then float32 is the safe answer.
        checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        native = any(check() for check in checks if check is not None)
    else:
        native = False
    return torch.bfloat16 if native else torch.float32
