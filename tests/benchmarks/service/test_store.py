"""The results repository: what is damaged comes back from git, what git lost comes back from the files, junk is moved away."""

from pathlib import Path

import pytest

from benchmarks.service.asv import Result, load_result
from benchmarks.service.config import parse
from benchmarks.service.files import read_json, write_json
from benchmarks.service.mirror import git
from benchmarks.service.store import Store

SHA = "0123456789abcdef0123456789abcdef01234567"


def result(sha: str = SHA, value: float = 1.5) -> dict:
    head = {"version": 2, "commit_hash": sha, "env_name": "py3", "params": {"machine": "box"}, "env_vars": {"T": "1"}}
    rows = {"a.track": [[value], [], "1"], "a.time": [[1.0, None], [["x", "y"], ["1"]], "2"], "a.broken": [None, [], "1"]}
    return {**head, "result_columns": ["result", "params", "version"], "results": rows}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one committed result."""
    made = Store(parse(f'repo = "r"\ndata = "{tmp_path}"', tmp_path))
    made.open()
    out = tmp_path / "out"
    write_json(out / "benchmarks.json", {"version": 2, "a.track": {"version": "1", "unit": "ms"}})
    write_json(out / "box" / "machine.json", {"machine": "box"})
    made.put_results([Result(result())], out, "box", newest=True)
    return made


@pytest.fixture
def path(store: Store) -> Path:
    """The committed result's file."""
    return store.asv / "box" / "01234567-py3.json"


def test_values_by_entry_and_versions():
    found = Result(result())
    assert found.values() == {"a.track": 1.5, "a.time(x, 1)": 1.0}
    assert found.versions() == {"a.track": "1", "a.time": "2", "a.broken": "1"}
    assert found.matches({"machine": "box", "env-T": "1", "branch": "main"}) and not found.matches({"env-T": "2"})


def test_a_result_is_committed(store: Store, path: Path):
    assert load_result(path) and git(store.path, "status", "--porcelain") == ""
    assert store.results(SHA, "box")["py3"].values()["a.track"] == 1.5
    assert store.unit("a.track(1)") == "ms" and store.version()


@pytest.mark.parametrize("damage", ["", '{"version": 2', "[]", '{"version": 2, "commit_hash": "12"}', '{"version": 2, "results": 5}'])
def test_damaged_result_comes_back(store: Store, path: Path, damage: str):
    path.write_text(damage)
    assert len(store.repair()) == 1
    assert load_result(path) and len(list(store.bad.iterdir())) == 1
    path.write_text(damage)
    assert store.results(SHA, "box")["py3"].commit == SHA  # also when it is noticed only on reading


def test_missing_and_renamed_files(store: Store, path: Path):
    path.unlink()
    store.repair()
    assert load_result(path)
    path.rename(path.with_name("99999999-py3.json"))  # a result under another commit's name
    store.repair()
    assert load_result(path) and not path.with_name("99999999-py3.json").exists()


@pytest.mark.parametrize("name", ["asv/benchmarks.json", "asv/box/machine.json", "state.json", "regressions/x.json"])
def test_other_files_come_back(store: Store, name: str):
    store.put({store.path / name: {"good": 1, "found": ""}}, "Good")
    (store.path / name).write_text("{")
    assert store.repair() == [f"{name}: damaged, brought back"]
    assert read_json(store.path / name)["good"] == 1


def test_what_was_written_before_an_interruption_is_kept(store: Store):
    other = "f" * 40
    write_json(store.asv / "box" / "ffffffff-py3.json", result(other))
    (store.asv / "box" / ".aside-x.json").write_text("{")
    (store.asv / "box" / "junk.json").write_text("{")
    store.repair()
    assert set(store.results(other, "box")) == {"py3"}
    assert sorted(p.name for p in (store.asv / "box").iterdir()) == ["01234567-py3.json", "ffffffff-py3.json", "machine.json"]
    assert git(store.path, "status", "--porcelain") == ""


def test_locks_of_a_killed_git(store: Store, path: Path):
    (store.path / ".git" / "index.lock").write_text("")
    path.write_text("")
    store.repair()
    assert load_result(path)


@pytest.mark.parametrize("victim", ["HEAD", "index", "objects"])
def test_damaged_git_is_made_anew(store: Store, path: Path, victim: str):
    place = store.path / ".git" / victim
    for file in [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]:
        file.chmod(0o644)
        file.write_bytes(b"")
    store.open()
    assert load_result(path) and git(store.path, "status", "--porcelain") == ""
    assert git(store.path, "fsck") == "" and store.version()


def test_a_repository_around_it_is_left_alone(tmp_path: Path):
    """Kept inside somebody's clone, as `make dashboard` does; its own git is damaged, and that one has staged changes."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "work.txt").write_text("mine")
    git(tmp_path, "add", "work.txt")
    made = Store(parse(f'repo = "r"\ndata = "{tmp_path}/data"', tmp_path))
    made.open()
    made.put({made.path / "state.json": {"x": 1}}, "State")
    (made.path / ".git" / "HEAD").write_text("")
    with pytest.raises(RuntimeError, match="not a git repository"):
        made.put({made.path / "state.json": {"x": 2}}, "State")
    made.open()
    assert git(tmp_path, "status", "--porcelain", "--untracked-files=no") == "A  work.txt\n"
    assert read_json(made.path / "state.json") == {"x": 2} and git(made.path, "status", "--porcelain") == ""


def test_only_the_newest_commit_removes_benchmarks(store: Store, tmp_path: Path):
    out = tmp_path / "out"
    write_json(out / "benchmarks.json", {"version": 2, "b": {"version": "1"}})
    store.put_results([Result(result())], out, "box", newest=False)
    assert set(store.benchmarks()) == {"a.track", "b"}
    store.put_results([Result(result())], out, "box", newest=True)
    assert set(store.benchmarks()) == {"b"}
