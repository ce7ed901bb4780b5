"""Functions on NumPy arrays, without a network: an edge filter, pooling, and convolution as mathematics defines it.

python examples/numpy_functions.py
"""

from __future__ import annotations

import numpy as np

from cyconv import functional as F
from cyconv import signal

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)


def main() -> None:
    """Edges of a disc."""
    y, x = np.mgrid[-32:32, -32:32]
    disc = (x * x + y * y < 400).astype(np.float32)

    # Arrays are [N, C, H, W] and kernels [O, C, kh, kw], as in PyTorch: two kernels give two channels.
    kernels = np.stack([SOBEL, SOBEL.T])[:, None]
    gradient = F.conv2d(disc[None, None], kernels, padding=1)
    edges = np.hypot(*gradient[0])
    print(f"edges: {edges.shape}, largest {edges.max():.3f}")

    coarse = F.max_pool2d(edges[None, None], 8)[0, 0]
    for row in coarse > 0:
        print("".join("#" if cell else "." for cell in row))

    # conv2d slides the kernel as it is; signal.convolve2d turns it round first.
    turned = signal.convolve2d(disc, SOBEL[::-1, ::-1].copy(), mode="same")
    assert np.array_equal(turned, gradient[0, 0])


if __name__ == "__main__":
    main()
