"""The command line: what each command says, and that errors are one line, exit code 2, without a traceback."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import cyconv
from cyconv import cli, models
from cyconv.io import load_images, save_state_dict
from cyconv.lecture import TABLES
from cyconv.nn import init
from cyconv.summarize import summary


@pytest.fixture
def run(capsys):
    """Run a command in this process; (exit code, stdout, stderr)."""

    def call(*argv):
        code = cli.main(list(map(str, argv)))
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def digit(tmp_path):
    """A file with one of scikit-learn's digits, as a network's input."""
    from sklearn.datasets import load_digits

    path = tmp_path / "digit.npy"
    np.save(path, load_digits().images[3] / 16)
    return path


def process(*argv, **options):
    return subprocess.run([sys.executable, "-m", "cyconv", *argv], capture_output=True, text=True, timeout=60, **options)


def test_as_a_process():
    done = process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"cyconv {cyconv.__version__}\n", "")


def test_help(run):
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    for command in ("info", "summary", "profile", "run", "lecture", "demo"):
        assert command in out
        assert run(command, "--help")[0] == 0


def test_info(run):
    code, out, err = run("info")
    assert (code, err) == (0, "")
    assert f"{cyconv.isa()} in use" in out
    assert "baseline" in out
    assert "GFLOP/s" in out
    facts = json.loads(run("info", "--json")[1])
    assert facts["isa"] == cyconv.isa()
    assert facts["peak_gflops"] > 0
    assert facts["peak_gflops_all"] > 0
    assert run("info", "--markdown")[1].startswith("| ")


def test_caches_and_cpu_of_other_systems(tmp_path):
    for index, (level, kind, size) in enumerate([("1", "Data", "48K"), ("2", "Unified", "1024K")]):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(f"{text}\n")
    (tmp_path / "index2").mkdir()
    assert cli.caches(str(tmp_path)) == ["L1 data 48K", "L2 1024K"]
    assert cli.caches(str(tmp_path / "nowhere")) == []
    assert cli.cpu_model(str(tmp_path / "nowhere"))
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU: fast\n")
    assert cli.cpu_model(str(tmp_path / "cpuinfo")) == "Some CPU: fast"


@pytest.mark.parametrize("name", models.list_models())
def test_summary(run, name):
    code, out, err = run("summary", name)
    assert (code, err) == (0, "")
    assert out == f"{summary(models.get_model(name), (1, *models.INPUT_SHAPES[name]))}\n"


def test_summary_as_data(run):
    figures = json.loads(run("summary", "lenet", "--input-shape", "2,1,32,32", "--json")[1])
    expected = summary(models.lenet(), (2, 1, 32, 32))
    assert (figures["parameters"], figures["macs"]) == (expected.parameters, expected.macs)
    assert [r["name"] for r in figures["records"]] == [r["name"] for r in expected.records]
    assert run("summary", "lenet", "--markdown")[1].startswith("| layer |")


def test_profile(run):
    code, out, err = run("profile", "lenet", "--threads", 1, "--repeats", 2, "--batch", 3)
    assert (code, err) == (0, "")
    assert "1 thread" in out
    assert "GFLOP/s" in out
    figures = json.loads(run("profile", "lenet", "--repeats", 2, "--json")[1])
    assert figures["input_shape"] == [1, 1, 32, 32]
    assert sum(r["macs"] for r in figures["records"]) == summary(models.lenet(), (1, 32, 32)).macs
    assert run("profile", "digits", "--repeats", 2, "--markdown")[1].startswith("| step |")


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


def test_run_digits(run, digit):
    code, out, err = run("run", "digits", digit, "--top", 2)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 4
    assert lines[2].split()[:3] == [str(digit), "1", "3"]
    records = json.loads(run("run", "digits", digit, "--top", 99, "--json")[1])["records"]
    assert [r["rank"] for r in records] == list(range(1, 11))
    assert sum(r["probability"] for r in records) == pytest.approx(1, abs=1e-5)


def test_run_names_each_image_of_an_array(run, tmp_path):
    np.save(tmp_path / "many.npy", np.random.default_rng(0).random((3, 1, 8, 8)))
    out = run("run", "digits", tmp_path / "many.npy", "--top", 1)[1]
    assert all(f"many.npy[{i}]" in out for i in range(3))


def test_run_with_the_shipped_file_and_labels(run, digit, tmp_path):
    from pathlib import Path

    shipped = Path(models.__file__).with_name("digits.npz")
    labels = tmp_path / "labels.txt"
    labels.write_text("zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n")
    out = run("run", "digits", "--weights", shipped, "--labels", labels, digit, "--top", 1)[1]
    assert "three" in out
    assert run("run", "digits", digit, "--json")[1] == run("run", "digits", "--weights", shipped, digit, "--json")[1]


def test_run_photograph_with_torchvision_style_weights(run, tmp_path):
    """The probabilities are those of the network by itself, with the input rescaled as torchvision does with its weights."""
    init.manual_seed(1)
    net = models.googlenet_bn(transform_input=True)
    save_state_dict(tmp_path / "w.npz", net.state_dict())
    picture = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 260, 3), np.uint8)).save(picture)
    records = json.loads(run("run", "googlenet_bn", "--weights", tmp_path / "w.npz", picture, "--json", "--top", 3)[1])["records"]
    logits = net(load_images(picture, (3, 224, 224)))[0].astype(np.float64)
    chances = np.exp(logits - logits.max())
    chances /= chances.sum()
    assert [r["class"] for r in records] == list(np.argsort(-chances)[:3])
    assert [r["probability"] for r in records] == pytest.approx(list(np.sort(chances)[:-4:-1]), rel=1e-5)


def files(folder):
    """Files that commands cannot use."""
    np.save(folder / "wide.npy", np.zeros((9, 9)))
    (folder / "text.png").write_text("hello")
    (folder / "text.npz").write_text("hello")
    (folder / "pickle.pth").write_text("hello")
    (folder / "two.txt").write_text("a\nb\n")
    (folder / "latin.txt").write_bytes(b"\xff\xfe\xfd")
    np.save(folder / "digit.npy", np.zeros((8, 8)))
    np.savez(folder / "other.npz", a=np.zeros(3, np.float32))


WRONG = {
    "": "required: COMMAND",
    "frob": "invalid choice: 'frob'",
    "info --frob": "unrecognized arguments: --frob",
    "summary": "required: NET",
    "summary vgg": "invalid choice: 'vgg'",
    "summary lenet --input-shape 1,3,x": "expected a positive whole number, got 'x'",
    "summary lenet --input-shape 1,1,4,4": "input_shape",
    "summary lenet --markdown --json": "not allowed with",
    "profile lenet --threads 0": "--threads: expected a positive whole number, got '0'",
    "profile lenet --threads 9999": "num_threads must be between 1 and 1024",
    "profile lenet --repeats -1": "--repeats",
    "profile lenet --batch 1e3": "expected a positive whole number, got '1e3'",
    "lecture vgg": "expected convolution, alexnet, googlenet, got 'vgg'",
    "run digits": "required: IMAGE",
    "run googlenet photo.jpg": "googlenet needs --weights",
    "run digits {}/nowhere.png": "nowhere.png: No such file",
    "run digits {}/wide.npy": "wide.npy: expected floating-point numbers",
    "run digits {}/text.png": "no picture that Pillow can read",
    "run digits {}": "Is a directory",
    "run digits --weights {}/nowhere.npz {}/digit.npy": "nowhere.npz: No such file",
    "run digits --weights {}/text.npz {}/digit.npy": "text.npz: ",
    "run digits --weights {}/pickle.pth {}/digit.npy": "import numpy, torch; state = torch.load(",
    "run digits --weights {}/other.npz {}/digit.npy": "Missing key(s) in state_dict",
    "run digits --labels {}/two.txt {}/digit.npy": "expected 10 lines",
    "run digits --labels {}/latin.txt {}/digit.npy": "no text in UTF-8",
    "run digits --labels {}/nowhere.txt {}/digit.npy": "nowhere.txt: No such file",
    "demo --output {}/two.txt": "two.txt: File exists",
}


@pytest.mark.parametrize("words", WRONG)
def test_errors_are_one_line(run, tmp_path, words):
    files(tmp_path)
    code, out, err = run(*words.replace("{}", str(tmp_path)).split())
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("cyconv: error: ")
    assert WRONG[words] in err
    assert len(err) < 800


def test_an_error_of_a_process():
    done = process("run", "digits", "nowhere.png")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "cyconv: error: nowhere.png: No such file or directory\n")


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device"), ImportError("a\n  b"), RuntimeError("x" * 9999)])
def test_what_users_can_cause_has_no_traceback(run, monkeypatch, error):
    def fail(_):
        raise error

    monkeypatch.setattr(cli, "info_command", fail)
    code, _, err = run("info")
    assert code == 2
    assert err.count("\n") == 1
    assert len(err) < 600


def test_bugs_keep_their_traceback(monkeypatch):
    def fail(_):
        raise AssertionError

    monkeypatch.setattr(cli, "info_command", fail)
    with pytest.raises(AssertionError):
        cli.main(["info"])


def test_interrupt():
    # A child of a background job would ignore the signal.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from cyconv import cli; "
    code += "print('ready', flush=True); sys.exit(cli.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "profile", "googlenet", "--repeats", "20000", "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        try:
            out, err = child.communicate(timeout=30)
        finally:
            child.kill()
    assert (child.returncode, out, err) == (130, "", "")


def test_closed_pipe_is_quiet():
    command = [sys.executable, "-m", "cyconv", "lecture"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        child.stdout.close()
        err = child.stderr.read()
    assert (child.returncode, err) == (141, "")


def test_full_disk():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "cyconv", "lecture"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "cyconv: error: No space left on device\n")


def test_terminals_that_have_no_box_characters():
    import os

    done = process("summary", "digits", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("tqdm", [True, False])
def test_progress_at_a_terminal(run, monkeypatch, tmp_path, digit, tqdm):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    code, _, err = run("run", "digits", digit)
    assert code == 0
    assert "images" in err
