"""The matrices of Winograd's minimal filtering F(m, r), exactly, from their interpolation points.

One-dimensional: m outputs of a correlation with r taps from n = m + r − 1 inputs and n products,
Y = Aᵀ[(G g) ⊙ (Bᵀ d)]; two-dimensional by nesting: Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. With the finite points a_0 … a_{n−2}, the point ∞ and
f_i = Π_{k≠i}(a_i − a_k):

    Aᵀ[j][i] = a_i^j,       last column: 1 in the last row
    G[i][j]  = a_i^j / f_i, last row: 0 … 0 1
    Bᵀ[i]    = coefficients of Π_{k≠i}(x − a_k), lowest first; last row: Π_k(x − a_k)

Sources: Winograd 1980; Lavin and Gray 2016. The points decide the rounding error; these were the best of those measured. The
micro-kernels hold Aᵀ and Bᵀ as constants (a test compares), the packing of weights takes G from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

Matrix = list[list[Fraction]]


@dataclass(frozen=True)
class Winograd:
    """One F(m, r): ``index`` is its place in the kernel table, ``points`` are the finite interpolation points.

    ``error_bound`` bounds the relative error ‖y − exact‖ / ‖exact‖ (L2 norms over all outputs of a layer, against float64) for at most
    512 input channels, where the sums of products do not cancel more than random ones do. It is 2.5 to 3 times what
    ``python -m benchmarks.accuracy`` measured at 512 channels on all instruction sets, which is the most: the error grows with the root
    of the number of channels, and is smaller after a ReLU than on data of zero mean. One output may be off by ten times as much,
    relative to the root mean square of the outputs.
    """

    index: int
    m: int
    r: int
    points: tuple[Fraction, ...]
    error_bound: float

    @property
    def n(self) -> int:
        """Inputs, and products, of one dimension."""
        return self.m + self.r - 1

    @property
    def name(self) -> str:
        """As in ``F(4,3)``."""
        return f"F({self.m},{self.r})"

    def f(self, i: int) -> Fraction:
        """f_i, the product of the differences to the other points."""
        result = Fraction(1)
        for k, a in enumerate(self.points):
            if k != i:
                result *= self.points[i] - a
        return result

    def a_transposed(self) -> Matrix:
        """Aᵀ, m x n."""
        rows = [[a**j for a in self.points] + [Fraction(0)] for j in range(self.m)]
        rows[-1][-1] = Fraction(1)
        return rows

    def g(self) -> Matrix:
        """G, n x r."""
        rows = [[a**j / self.f(i) for j in range(self.r)] for i, a in enumerate(self.points)]
        return [*rows, [Fraction(int(j == self.r - 1)) for j in range(self.r)]]

    def b_transposed(self) -> Matrix:
        """Bᵀ, n x n."""
        rows = [polynomial([a for k, a in enumerate(self.points) if k != i]) for i in range(self.n - 1)]
        return [row + [Fraction(0)] * (self.n - len(row)) for row in [*rows, polynomial(list(self.points))]]


def polynomial(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients of Π(x − root), lowest power first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [s - root * c for s, c in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
    return coefficients


F = Fraction
SIX = (F(0), F(5, 8), F(-5, 8), F(3, 2), F(-3, 2))
SEVEN = (F(1, 4), F(-1, 4), F(7, 8), F(-7, 8), F(7, 4), F(-7, 4))
EIGHT = (F(0), F(1, 2), F(-1, 2), F(1), F(-1), F(2), F(-2))
F2_3 = Winograd(0, 2, 3, (F(0), F(1), F(-1)), 2e-6)
F3_3 = Winograd(1, 3, 3, (F(1, 2), F(-1, 2), F(5, 4), F(-5, 4)), 3e-6)
F4_3 = Winograd(2, 4, 3, SIX, 5e-6)
F2_5 = Winograd(3, 2, 5, SIX, 6e-6)
F4_4 = Winograd(4, 4, 4, SEVEN, 1e-5)
F3_5 = Winograd(5, 3, 5, SEVEN, 1e-5)
F6_3 = Winograd(6, 6, 3, EIGHT, 2.2e-5)
F4_5 = Winograd(7, 4, 5, EIGHT, 2.2e-5)

ALL = (F2_3, F3_3, F4_3, F2_5, F4_4, F3_5, F6_3, F4_5)
AUTOMATIC = (F2_3, F3_3, F4_3, F2_5, F4_4, F3_5)  # the others err several times as much: only on request
