"""bfloat16, the upper half of float32: one sign bit, eight bits of exponent, eight of significand (one of them implied).

Weights of Linear layers may be stored in it (``weights="bfloat16"``): half the bytes to read, computed in float32. Each weight is rounded
once, to nearest, ties to even, when a plan is compiled; it is then off by at most ``UNIT`` times itself, so a product of K terms obeys

    |error| <= (UNIT + (1 + UNIT)·K·2⁻²⁴)·Σ|x||w|

against float64. Integers up to 256 in magnitude are exact.
"""

from __future__ import annotations

import numpy as np

UNIT = 2.0**-8
# Of ‖y − exact‖ / ‖exact‖ (L2 norms over the outputs of a layer) where the sums of products do not cancel more than random ones do: an
# error of rms UNIT/√3 times the power of two below the weight is between 1.5e-3 and 2.3e-3 of the weights' rms, however many there are.
ERROR_BOUND = 2.5e-3


def rounded(array: np.ndarray) -> np.ndarray:
    """The float32 numbers that bfloat16 makes of float32 ones; NaN stays NaN, what is beyond its range becomes infinite."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    nearest = (bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(array), np.float32(np.nan), nearest.view(np.float32))
