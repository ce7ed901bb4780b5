"""The matrices of Winograd's minimal filtering, in exact arithmetic: F(m, r) computes a correlation, and its constants fit float32."""

import random
from fractions import Fraction

import numpy as np
import pytest

from cyconv._kernels import targets
from cyconv.winograd import ALL, Winograd, polynomial

KINDS = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)


def fractions(rng: random.Random, *shape: int):
    """Nested lists of random fractions, zeros and negative ones among them."""
    if not shape:
        return Fraction(rng.randint(-20, 20), rng.randint(1, 9))
    return [fractions(rng, *shape[1:]) for _ in range(shape[0])]


def product(a, b):
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a]


def transposed(a):
    return [list(row) for row in zip(*a, strict=True)]


def nested(a, b):
    """a b aᵀ."""
    return product(product(a, b), transposed(a))


def pointwise(a, b):
    return [[x * y for x, y in zip(p, q, strict=True)] for p, q in zip(a, b, strict=True)]


@KINDS
def test_shapes(kind):
    assert (kind.n, kind.name) == (kind.m + kind.r - 1, f"F({kind.m},{kind.r})")
    for matrix, rows, columns in ((kind.a_transposed(), kind.m, kind.n), (kind.g(), kind.n, kind.r), (kind.b_transposed(), kind.n, kind.n)):
        assert len(matrix) == rows and {len(row) for row in matrix} == {columns}
    assert len(set(kind.points)) == kind.n - 1


@KINDS
def test_one_dimension(kind):
    """Aᵀ[(G g) ⊙ (Bᵀ d)] is the correlation of d with g."""
    rng = random.Random(1)
    for _ in range(20):
        d, g = fractions(rng, kind.n, 1), fractions(rng, kind.r, 1)
        got = product(kind.a_transposed(), pointwise(product(kind.g(), g), product(kind.b_transposed(), d)))
        assert got == [[sum(d[i + k][0] * g[k][0] for k in range(kind.r))] for i in range(kind.m)]


@KINDS
def test_two_dimensions(kind):
    """Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A is the correlation of the image d with the kernel g."""
    rng = random.Random(2)
    for _ in range(5):
        d, g = fractions(rng, kind.n, kind.n), fractions(rng, kind.r, kind.r)
        got = nested(kind.a_transposed(), pointwise(nested(kind.g(), g), nested(kind.b_transposed(), d)))
        cells = [(i, j) for i in range(kind.r) for j in range(kind.r)]
        assert got == [[sum(d[y + i][x + j] * g[i][j] for i, j in cells) for x in range(kind.m)] for y in range(kind.m)]


@pytest.mark.parametrize(("m", "r"), [(1, 1), (1, 3), (2, 2), (3, 2), (4, 4), (6, 3)])
def test_other_sizes(m, r):
    """The formulas hold for any points, not only for those chosen."""
    rng = random.Random(m * 10 + r)
    points = tuple(Fraction(p, 3) for p in rng.sample(range(-9, 10), m + r - 2))
    kind = Winograd(0, m, r, points, 0.0)
    d, g = fractions(rng, kind.n, 1), fractions(rng, r, 1)
    got = product(kind.a_transposed(), pointwise(product(kind.g(), g), product(kind.b_transposed(), d)))
    assert got == [[sum(d[i + k][0] * g[k][0] for k in range(r))] for i in range(m)]


def test_the_check_finds_a_wrong_point():
    """The check is alive: one other point in one matrix breaks the identity."""
    right, wrong = ALL[0], Winograd(0, 2, 3, (Fraction(0), Fraction(1), Fraction(-2)), 0.0)
    d, g = [[Fraction(v)] for v in (1, 2, 3, 5)], [[Fraction(v)] for v in (1, 1, 2)]
    got = product(right.a_transposed(), pointwise(product(right.g(), g), product(wrong.b_transposed(), d)))
    assert got != [[Fraction(1 + 2 + 6)], [Fraction(2 + 3 + 10)]]


@KINDS
def test_constants_of_the_transforms_are_exact(kind):
    """Aᵀ and Bᵀ stand in the micro-kernels as float32; G in the packing as float64, rounded."""
    constants = [v for matrix in (kind.a_transposed(), kind.b_transposed()) for row in matrix for v in row]
    assert all(Fraction(float(np.float32(v))) == v for v in constants)


def test_f2_3_is_exact_on_small_integers():
    """It multiplies by 0, ±1 and ±½ alone, which rounds nothing."""
    g = {v for row in ALL[0].g() for v in row}
    assert {abs(v) for v in g} == {0, Fraction(1, 2), 1}
    assert {abs(v) for row in ALL[0].b_transposed() + ALL[0].a_transposed() for v in row} == {0, 1}


def test_polynomial():
    assert polynomial([]) == [1]
    assert polynomial([Fraction(2), Fraction(-1, 2)]) == [-1, Fraction(-3, 2), 1]


def test_places_in_the_kernel_table():
    assert [kind.index for kind in ALL] == list(range(len(ALL)))
    assert len({kind.name for kind in ALL}) == len(ALL)
    for index in (-1, len(ALL)):
        with pytest.raises(ValueError, match=f"no Winograd kernel of kind {index}"):
            targets.wino_input("baseline", index, None)
