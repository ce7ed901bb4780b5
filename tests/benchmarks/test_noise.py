"""The table of scatters: times beside ratios, the scatter of processes and not of samples."""

import pytest

from benchmarks.noise import rows, scatters


def test_scatter_is_that_of_the_rounds():
    rounds = [[1.0, 1.5, 0.5], [1.1, 1.6, 0.6], [0.9, 1.4, 0.4], [1.0, 2.0, 0.1]]
    found = scatters({"a": (1.0, [value for values in rounds for value in values]), "b": (3.0, None)}, 4)
    assert found == {"a": (pytest.approx(1.4826 * 0.05), pytest.approx(0.1))}


def test_times_stand_beside_ratios():
    found = {
        "L.time_run(x)": (0.02, 0.1),
        "L.track_ratio(x)": (0.001, 0.01),
        "L.time_run(y)": (0.04, 0.2),
        "L.track_ratio(y)": (0.003, 0.03),
    }
    made = rows(found | {"L.time_run(z)": (1.0, 1.0)})
    assert [row["what"] for row in made] == ["L(x)", "L(y)", "median of all"]
    assert made[0] == {"what": "L(x)", "time": "2.00 %", "time_most": "10.00 %", "ratio": "0.10 %", "ratio_most": "1.00 %"}
    assert made[2]["time"] == "3.00 %" and made[2]["ratio"] == "0.20 %"
    assert rows({}) == []
