"""Which weights an item prefetches: over all items of a thread, those that it needs next, each float once."""

import pytest

from cyconv._kernels.prefetch import ahead, second_level_floats


def spans_of(parts, following, n_threads, thread, items):
    """(of the following weights, first float, floats) of what each item prefetches."""
    spans = [ahead(parts, following, n_threads, thread, item) for item in items]
    assert all(floats >= 0 for _, _, floats in spans)
    return spans


def test_the_cache_has_a_size():
    assert second_level_floats() >= 2**18


def test_one_thread_prefetches_group_after_group():
    """Each group's items share out the weights of the group after it, the last group's those of the next product."""
    parts = [(0, 100, 4), (100, 100, 4), (200, 60, 2)]
    spans = spans_of(parts, (40, 40), 1, 0, range(10))
    assert spans == [
        *[(False, 100 + 25 * i, 25) for i in range(4)],
        *[(False, 200 + 15 * i, 15) for i in range(4)],
        *[(True, 20 * i, 20) for i in range(2)],
    ]


def test_two_threads_with_groups_of_their_own():
    """Thread 0 has the first half of the items, and prefetches nothing that the other one needs."""
    parts = [(100 * i, 100, 1) for i in range(6)]
    assert spans_of(parts, (30, 120), 2, 0, (0, 1, 2)) == [(False, 100, 100), (False, 200, 100), (True, 0, 30)]
    assert spans_of(parts, (30, 120), 2, 1, (3, 4, 5)) == [(False, 400, 100), (False, 500, 100), (True, 60, 30)]


def test_two_threads_on_one_group():
    """Both need what follows, from its beginning when it is not shared out."""
    spans = spans_of([(0, 100, 4)], (50, 0), 2, 0, (0, 1)) + spans_of([(0, 100, 4)], (50, 0), 2, 1, (2, 3))
    assert spans == [(True, 0, 25), (True, 25, 25)] * 2


def test_stolen_items():
    """An item of another thread's range is no reason to look outside the weights."""
    parts = [(100 * i, 100, 3) for i in range(4)]
    for thread in (0, 1):
        for following, start, floats in spans_of(parts, (100, 400), 2, thread, range(12)):
            assert 0 <= start <= 400 and 0 <= floats <= 100
            assert following or start >= 100


def test_bad_descriptions():
    with pytest.raises(ValueError, match="groups"):
        ahead([], (0, 0), 1, 0, 0)
    with pytest.raises(ValueError, match="item 2 of 2"):
        ahead([(0, 1, 2)], (0, 0), 1, 0, 2)
