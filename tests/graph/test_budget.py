"""Which layers give up speed for a bound on bytes: against all combinations on small cases, and the rules for ties and hopeless ones."""

import numpy as np

from cyconv.graph.budget import within_budget


def totals(layers, places):
    return [sum(layer[k][i] for layer, k in zip(layers, places, strict=True)) for i in (0, 1)]


def test_all_first_when_there_is_room():
    layers = [[(1.0, 30), (2.0, 10)], [(5.0, 20), (9.0, 0)]]
    assert within_budget(layers, 50) == [0, 0] and within_budget([], 0) == []


def test_the_least_loss_for_each_byte_goes_first():
    layers = [[(1.0, 30), (2.0, 10), (9.0, 0)], [(5.0, 20), (9.0, 0)]]
    assert within_budget(layers, 49) == [1, 0]  # 1 cycle for 20 bytes, against 4 for 20
    assert within_budget(layers, 29) == [1, 1]  # then 4 for 20, against 7 for 10
    assert within_budget(layers, 9) == [2, 1]
    assert within_budget([[(1.0, 8), (2.0, 0)]] * 2, 8) == [1, 0]  # the first of equals


def test_layers_without_smaller_ones_stay():
    assert within_budget([[(1.0, 100)], [(2.0, 50), (1.0, 60), (3.0, 40)]], 10) == [0, 2]


def test_random_cases():
    """Within the budget wherever any combination is, and not far from the best of them."""
    rng = np.random.default_rng(0)
    tight = 0
    for _ in range(200):
        layers = [[(float(rng.integers(1, 50)), int(size)) for size in sorted(rng.integers(0, 99, 4))[::-1]] for _ in range(4)]
        layers = [[*layer, (60.0, 0)] for layer in layers]
        budget = int(rng.integers(0, 250))
        places = within_budget(layers, budget)
        cycles, size = totals(layers, places)
        assert size <= budget
        every = [totals(layers, combination) for combination in np.ndindex(5, 5, 5, 5)]
        first = totals(layers, [0] * 4)[0]
        best = min(c for c, b in every if b <= budget)
        assert cycles <= max(2.5 * best, first)
        tight += cycles != first
    assert tight > 50
