"""Device and precision: where a network runs, and bf16 autocast where the hardware multiplies it, else float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from wordsight.errors import InputError, setting

# torch takes seconds to import; each function imports it.
if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "bf16", "fp32"]


def chosen_device(device: Device) -> torch.device:
    """Where to compute.

    Args:
        device: ``auto`` takes a CUDA device where there is one.

    Raises:
        InputError: When there is no such device.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "no CUDA device found",
            where=setting("device", "cuda"),
            mend=f"give {setting('device', 'cpu')} or {setting('device', 'auto')}",
        )
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def precision_on(device: torch.device) -> torch.dtype:
    """bf16 where the hardware multiplies it, else float32: emulated, bf16 is slower.

    Args:
        device: Where the network runs.
    """
    import torch

    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        # Private names: a later torch may drop them, and then float32 is the safe answer.
        checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        native = any(check() for check in checks if check is not None)
    else:
        native = False
    return torch.bfloat16 if native else torch.float32


def chosen_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """The precision that settings ask for.

    Args:
        precision: ``auto`` is that of :func:`precision_on`.
        device: Where the network runs.
    """
    import torch

    if precision == "auto":
        return precision_on(device)
    return torch.bfloat16 if precision == "bf16" else torch.float32


def autocast(device: torch.device, precision: torch.dtype | None = None) -> torch.autocast:
    """Compute what follows in a precision, float32 sums and norms excepted; it changes nothing where that is float32.

    Args:
        device: Where the network runs.
        precision: ``torch.bfloat16`` or ``torch.float32``; None for :func:`precision_on` of the device.
    """
    import torch

    precision = precision or precision_on(device)
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)
