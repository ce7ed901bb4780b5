"""The accuracy benchmark: every algorithm once for each layer, errors of the right size, and a table."""

import numpy as np
import pytest

from benchmarks.accuracy import DATA, U, errors, layer, measure, table
from cyconv.winograd import ALL


def test_errors():
    exact, y = np.array([3.0, -4.0]), np.array([3.0, -4.0 + U])
    got = errors(y, exact, np.array([6.0, 8.0]))
    rms = np.sqrt(12.5)
    want = {"l2": U / 5, "max_rms": U / rms, "mean_rms": U / 2 / rms, "max_units": 1 / 8, "mean_units": 1 / 16}
    assert got == pytest.approx(want)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("kernel", sorted({kind.r for kind in ALL}))
def test_rows(kernel, data):
    rows = measure(kernel, 16, data)
    kinds = {kind.name: kind for kind in ALL if kind.r == kernel}
    assert [row["algorithm"] for row in rows] == ["direct", *kinds]
    assert len({row["l2"] for row in rows}) == len(rows)  # each was computed in its own way
    for row in rows:
        assert (row["kernel"], row["channels"], row["data"]) == ((kernel, kernel), 16, data)
        assert 0 < row["l2"] <= (kinds[row["algorithm"]].error_bound if row["algorithm"] in kinds else 1e-6)
        assert 0 < row["mean_units"] < row["max_units"]


def test_data():
    for data in DATA:
        x, weight = layer(3, 16, data)
        assert x.dtype == weight.dtype == np.float32 and abs(weight.mean()) < 0.1
        assert x.min() == 0 if data == "ReLU" else abs(x.mean()) < 0.1


def test_table():
    text = table((4,)).to_markdown()
    assert text.count("\n| 3×3 |") == 2 * (1 + sum(kind.r == 3 for kind in ALL)) and "F(4,3)" in text and "relative L2" in text
