"""A bound on the bytes of transformed weights: which layers give up a faster algorithm so that all of them together keep within it.

Layer: graph; called by graph/choices. Winograd's transform makes weights up to four times as large; they are memory that a plan holds,
and that each call reads from beyond the caches.
"""

from __future__ import annotations

Alternative = tuple[float, int]  # estimated cycles, bytes


def within_budget(layers: list[list[Alternative]], budget: int) -> list[int]:
    """For each layer the place of its alternative, the first where ``budget`` allows.

    While the bytes of all are more than ``budget``, the layer goes on to a smaller alternative that loses the fewest cycles for each byte
    it saves, the first of equals. A layer that has no smaller one stays.
    """
    places = [0] * len(layers)
    excess = sum(alternatives[0][1] for alternatives in layers) - budget
    while excess > 0:
        best: tuple[float, int, int] | None = None
        for k, alternatives in enumerate(layers):
            cycles, size = alternatives[places[k]]
            for place, (other_cycles, other_size) in enumerate(alternatives):
                if other_size < size:
                    loss = (other_cycles - cycles) / (size - other_size)
                    if best is None or loss < best[0]:
                        best = (loss, k, place)
        if best is None:
            break
        _, k, place = best
        excess -= layers[k][places[k]][1] - layers[k][place][1]
        places[k] = place
    return places
