"""`cyconv lecture`: all tables, and single ones in each form."""

import json

from cyconv.lecture import TABLES


def test_lecture(run):
    code, out, err = run("lecture")
    assert (code, err) == (0, "")
    for figure in ("73,728", "177,209,344", "13 differ"):
        assert figure in out
    tables = json.loads(run("lecture", "--json")[1])
    assert list(tables) == list(TABLES)
    assert len(tables["googlenet"]["differences"]) == 13
    assert list(json.loads(run("lecture", "alexnet", "--json")[1])) == ["alexnet"]
    assert "| layer |" in run("lecture", "convolution", "--markdown")[1]
