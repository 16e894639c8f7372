"""Kubernetes' quantities: `512Mi` of memory in bytes, `500m` of a core in thousandths.

Source: k8s.io/apimachinery/pkg/api/resource, Quantity. What is finer than the unit is rounded up, as there.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from typing import Final

_FORM: Final = re.compile(
    r"([0-9]{1,18}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(?:(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])|[eE]([0-9]{1,2}))?", re.ASCII
)
_FACTORS: Final = {
    "n": Decimal(10) ** -9, "u": Decimal(10) ** -6, "m": Decimal(10) ** -3,
    "k": Decimal(10) ** 3, "M": Decimal(10) ** 6, "G": Decimal(10) ** 9, "T": Decimal(10) ** 12, "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10, "Mi": Decimal(2) ** 20, "Gi": Decimal(2) ** 30, "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50, "Ei": Decimal(2) ** 60,
}  # fmt: skip


def memory_bytes(written: str | float) -> int:
    """Read an amount of memory. Raises ValueError."""
    return _ceiling(_amount(written, "bytes, as 512Mi or 2Gi"))


def cpu_thousandths(written: str | float) -> int:
    """Read a number of cores, in thousandths of one. Raises ValueError."""
    return _ceiling(_amount(written, "cores, as 2 or 500m") * 1000)


def _amount(written: str | float, expected: str) -> Decimal:
    text = format(Decimal(str(written)), "f") if isinstance(written, float) else str(written)
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"expected {expected}")
    return Decimal(match[1]) * _FACTORS.get(match[2] or "", Decimal(1)) * Decimal(10) ** int(match[3] or 0)


def _ceiling(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_CEILING))
