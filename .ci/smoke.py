"""Runs inside an empty environment: the installed package computes a convolution of integers exactly.

check_wheel.py calls it. Whatever instruction set the machine has, sums of small integers are exact in float32.
"""

import os
import platform
import subprocess
import sys

import numpy as np

tiny = np.float32(1e-40)
import cyconv  # noqa: E402
import cyconv.functional as F  # noqa: E402
from cyconv._kernels import cpu  # noqa: E402


def convolve(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The definition, in integers."""
    kh, kw = weight.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weight)


def main() -> None:
    """Compare with the definition; print a line for the report."""
    if "site-packages" not in cyconv.__file__:
        sys.exit(f"cyconv was imported from {cyconv.__file__}, not from the environment")
    if tiny * np.float32(1) == 0:
        sys.exit("import cyconv flushes the denormals of the whole process")
    rng = np.random.default_rng(0)
    for channels, out, size, kernel in ((3, 8, 13, 3), (17, 33, 9, 1), (16, 16, 14, 5), (5, 7, 23, 7)):
        x = rng.integers(-9, 10, (2, channels, size, size))
        weight = rng.integers(-9, 10, (out, channels, kernel, kernel))
        y = F.conv2d(x.astype(np.float32), weight.astype(np.float32))
        if not np.array_equal(y, convolve(x, weight)):
            sys.exit(f"conv2d of {x.shape} with {weight.shape} is not exact")
    if "CYCONV_ISA" in os.environ:
        print(cpu.isa())
        return
    isas = cpu.runnable_isas()
    for isa in [*isas, "unknown"]:
        environment = {**os.environ, "CYCONV_ISA": isa}
        result = subprocess.run([sys.executable, __file__], env=environment, check=False, capture_output=True, text=True)
        refused = isa == "unknown" and "CYCONV_ISA must be one of" in result.stderr
        if result.stdout.strip() != isa and not refused:
            sys.exit(f"CYCONV_ISA={isa} gave {result.stdout}{result.stderr}")
    print(f"Python {platform.python_version():<12} numpy {np.__version__}, conv2d exact on {', '.join(isas)}")


if __name__ == "__main__":
    main()
