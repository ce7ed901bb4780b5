"""The results repository: what is damaged comes back from git, what git lost comes back from the files, junk is removed."""

from pathlib import Path

import pytest

from benchmarks.service.asv import load_result, values_of, versions_of
from benchmarks.service.config import parse
from benchmarks.service.files import read_json, write_json
from benchmarks.service.mirror import git
from benchmarks.service.regressions import belongs
from benchmarks.service.store import Store

SHA = "0123456789abcdef0123456789abcdef01234567"


def result(sha: str = SHA, value: float = 1.5) -> dict:
    head = {"version": 2, "commit_hash": sha, "env_name": "py3", "params": {"machine": "box"}, "env_vars": {"T": "1"}}
    rows = {"a.track": [[value], [], "1"], "a.time": [[1.0, None], [["x", "y"], ["1"]], "2"], "a.broken": [None, [], "1"]}
    return {**head, "result_columns": ["result", "params", "version"], "results": rows}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one committed result."""
    made = Store(parse(f'repo = "r"\ndata = "{tmp_path}"\nmachine = "box"', tmp_path))
    made.open()
    out = tmp_path / "out"
    write_json(out / "benchmarks.json", {"version": 2, "a.track": {"version": "1", "unit": "ms"}})
    write_json(out / "box" / "machine.json", {"machine": "box"})
    made.put_results([result()], out, {"x": 1}, newest=True)
    return made


@pytest.fixture
def path(store: Store) -> Path:
    """The committed result's file."""
    return store.asv / "box" / "01234567-py3.json"


def test_values_by_series_and_versions():
    assert values_of(result()) == {"py3|a.track": 1.5, "py3|a.time(x, 1)": 1.0}
    assert versions_of(result()) == {"a.track": "1", "a.time": "2", "a.broken": "1"}
    assert belongs(result(), {"machine": "box", "env-T": "1", "branch": "main"}) and not belongs(result(), {"env-T": "2"})


@pytest.mark.parametrize("damage", ["", '{"version": 2', "[]", '{"version": 2, "commit_hash": "12"}', '{"version": 2, "results": 5}'])
def test_what_is_no_result_is_not_taken_for_one(tmp_path: Path, damage: str):
    path = tmp_path / "01234567-py3.json"
    path.write_text(damage)
    assert load_result(path) is None
    write_json(path, result())
    assert load_result(path)
    assert load_result(path.rename(tmp_path / "99999999-py3.json")) is None  # under another commit's name


def test_a_result_is_committed(store: Store, path: Path):
    assert load_result(path) and git(store.path, "status", "--porcelain") == ""
    assert store.values(SHA)["py3|a.track"] == 1.5 and store.state()["x"] == 1
    assert store.unit("a.track(1)") == "ms" and store.version()


@pytest.mark.parametrize("name", ["asv/box/01234567-py3.json", "asv/benchmarks.json", "asv/box/machine.json", "state.json"])
@pytest.mark.parametrize("damage", ["", "{", None])
def test_what_is_damaged_or_missing_comes_back(store: Store, name: str, damage: str | None):
    path = store.path / name
    before = path.read_bytes()
    path.unlink() if damage is None else path.write_text(damage)
    assert len(store.repair()) == 1 and path.read_bytes() == before
    assert store.repair() == []


def test_what_was_not_committed_is_gone(store: Store, path: Path):
    """Whoever was about to put it in still has it."""
    write_json(path.with_name("ffffffff-py3.json"), result("f" * 40))
    path.with_name(".aside-x.json").write_text("{")
    path.rename(path.with_name("99999999-py3.json"))
    (store.path / ".git" / "index.lock").write_text("")
    assert len(store.repair()) == 4
    assert sorted(p.name for p in path.parent.iterdir()) == ["01234567-py3.json", "machine.json"]
    assert git(store.path, "status", "--porcelain") == ""


@pytest.mark.parametrize("victim", ["HEAD", "index", "objects", "refs"])
def test_damaged_git_is_made_anew(store: Store, path: Path, victim: str):
    place = store.path / ".git" / victim
    for file in [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]:
        file.chmod(0o644)
        file.write_bytes(b"")
    store.open()
    assert load_result(path) and git(store.path, "status", "--porcelain") == ""
    assert git(store.path, "fsck") == "" and store.version()


def test_killed_before_the_first_commit(tmp_path: Path):
    made = Store(parse(f'repo = "r"\ndata = "{tmp_path}"', tmp_path))
    git(tmp_path, "init", "--quiet", "results")
    write_json(made.path / "state.json", {"x": 1})
    made.open()
    assert made.open() == [] and made.state()["x"] == 1


def test_a_repository_around_it_is_left_alone(tmp_path: Path):
    """Kept inside somebody's clone, as `make dashboard` does; its own git is damaged, and that one has staged changes."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "work.txt").write_text("mine")
    git(tmp_path, "add", "work.txt")
    made = Store(parse(f'repo = "r"\ndata = "{tmp_path}/data"', tmp_path))
    made.open()
    made.save({"x": 1}, "State")
    (made.path / ".git" / "HEAD").write_text("")
    with pytest.raises(RuntimeError, match="not a git repository"):
        made.save({"x": 2}, "State")
    made.open()
    assert git(tmp_path, "status", "--porcelain", "--untracked-files=no") == "A  work.txt\n"
    assert read_json(made.path / "state.json") == {"x": 2} and git(made.path, "status", "--porcelain") == ""


def test_only_the_newest_commit_removes_benchmarks(store: Store, tmp_path: Path):
    out = tmp_path / "out"
    write_json(out / "benchmarks.json", {"version": 2, "b": {"version": "1"}})
    store.put_results([result()], out, {}, newest=False)
    assert set(store.benchmarks()) == {"a.track", "b"}
    store.put_results([result()], out, {}, newest=True)
    assert set(store.benchmarks()) == {"b"}
