"""The command line: what each command says, and that errors are one line, exit code 2, without a traceback."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import cyconv
from cyconv import cli
from cyconv.cli import parser


def process(*argv, **options):
    return subprocess.run([sys.executable, "-m", "cyconv", *argv], capture_output=True, text=True, timeout=60, **options)


def test_as_a_process():
    done = process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"cyconv {cyconv.__version__}\n", "")


def test_help(run):
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    for command in ("info", "summary", "profile", "compare", "run", "lecture", "demo"):
        assert command in out
        assert run(command, "--help")[0] == 0


def files(folder):
    """Files that commands cannot use."""
    np.save(folder / "wide.npy", np.zeros((9, 9)))
    (folder / "text.png").write_text("hello")
    (folder / "text.npz").write_text("hello")
    (folder / "text.onnx").write_text("hello")
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
    "summary vgg": "argument NET: expected a file that ends in .onnx or one of alexnet",
    "summary {}/nowhere.onnx": "nowhere.onnx: No such file",
    "summary {}/text.onnx": "text.onnx: ",
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

    monkeypatch.setattr(parser, "info_command", fail)
    code, _, err = run("info")
    assert code == 2
    assert err.count("\n") == 1
    assert len(err) < 600


def test_bugs_keep_their_traceback(monkeypatch):
    def fail(_):
        raise AssertionError

    monkeypatch.setattr(parser, "info_command", fail)
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
