"""How numbers are written for people: thousands separated, four digits that matter, durations in words."""

from __future__ import annotations

import math

# A narrow space that never breaks keeps a number and its unit on one line.
SPACE = "\u202f"
MINUS = "\u2212"
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def count(value: float) -> str:
    """A whole number with its thousands separated: ``12,345``."""
    return f"{round(value):,}".replace("-", MINUS)


def plain(value: float, digits: int = 4) -> str:
    """A number with the digits that matter, as ``0.0015``, ``1.5 × 10⁻⁵`` or ``12,300``.

    Args:
        value: The number; infinite and undefined ones come out as words.
        digits: Significant digits kept below a thousand.
    """
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else ("−∞" if value < 0 else "∞")
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000 and size < 1e9:
        return count(value)
    if size < 1e-4 or size >= 1e9:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}{SPACE}×{SPACE}10{str(int(exponent)).translate(_SUPERSCRIPT)}".replace("-", MINUS)
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    written = f"{value:.{decimals}f}"
    return (written.rstrip("0").rstrip(".") if "." in written else written).replace("-", MINUS)


def percent(value: float) -> str:
    """A value already in percent, with one decimal and its sign: ``93.6 %``."""
    return "undefined" if math.isnan(value) else f"{value:.1f}{SPACE}%".replace("-", MINUS)


def chance(probability: float) -> str:
    """A probability, 0 to 1, in whole percent: ``82 %``, ``< 1 %``."""
    return f"<{SPACE}1{SPACE}%" if probability < 0.005 else f"{100 * probability:.0f}{SPACE}%"


def share(part: float, whole: float) -> str:
    """A part of a whole in percent, never rounded to nothing: ``0.3 %``, ``under 0.1 %``."""
    if whole <= 0 or part <= 0:
        return f"0{SPACE}%"
    value = 100 * part / whole
    if value < 0.1:
        return f"under 0.1{SPACE}%"
    return f"{value:.0f}{SPACE}%" if value >= 10 else f"{value:.1f}{SPACE}%"


def duration(seconds: float) -> str:
    """Seconds as ``0.4 s``, ``41 s``, ``3 min 41 s`` or ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.1f}{SPACE}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{SPACE}s"
    if whole < 3600:
        return f"{whole // 60}{SPACE}min {whole % 60:02d}{SPACE}s"
    return f"{whole // 3600}{SPACE}h {whole % 3600 // 60:02d}{SPACE}min"
