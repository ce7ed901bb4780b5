"""The command line: `cyconv`, or `python -m cyconv`.

One function a command; each builds a table from the layers below and shows it. Errors are one line on stderr and exit code 2,
Ctrl-C is 130, a closed pipe is quiet. Layer of the house: the top; called by the console script and ``__main__``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np

import cyconv
from cyconv import functional as F
from cyconv import lecture, models
from cyconv._kernels import cpu
from cyconv.io import load_state_dict
from cyconv.io.images import load_images
from cyconv.models.digits import RESULT
from cyconv.nn import Module, init
from cyconv.summarize import summary
from cyconv.table import Table

FAILED, INTERRUPTED, PIPE_CLOSED = 2, 130, 141  # exit codes: argparse's own; 128 + SIGINT; 128 + SIGPIPE
# What users can cause: wrong values, files, memory, missing packages. Anything else is a bug and keeps its traceback.
EXPECTED = (ValueError, TypeError, RuntimeError, OSError, ImportError, MemoryError)
MAX_MESSAGE = 500  # characters; a state_dict of the wrong network lists hundreds of names

# torchvision switches this on together with the weights that it ships.
RUN_OPTIONS = {"googlenet_bn": {"transform_input": True}}


class UsageError(ValueError):
    """Words on the command line that argparse does not accept."""


class _Parser(argparse.ArgumentParser):
    """A parser that leaves it to :func:`main` how an error is shown."""

    def error(self, message: str):
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : list of str, optional
        Its words; those of the process by default.

    Returns
    -------
    int
        The exit code.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # tables have × and ─, which not every terminal's encoding has
    try:
        code = _run(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _drop_output()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except EXPECTED as error:
        _drop_output()
        print(f"cyconv: error: {one_line(error)}", file=sys.stderr)
        return FAILED


def _run(argv: list[str] | None) -> int:
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    arguments.command(arguments)
    return 0


def _drop_output() -> None:
    """Write out what stdout holds; if that fails, lose it, or Python would complain about it at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (OSError, ValueError, AttributeError):
            sys.stdout = None


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks; lines of code stay separate statements."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = ""
    for line in filter(None, map(str.strip, str(error).splitlines())):
        text += line if not text else f" {line}" if text.endswith((":", ",", ".", "—")) else f"; {line}"
    text = text or type(error).__name__
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]} …"


# Words


def count(text: str) -> int:
    """A positive whole number."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:10]) < 2**31:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)


def shape(text: str) -> tuple[int, ...]:
    """Positive whole numbers between commas."""
    return tuple(count(part.strip()) for part in text.split(","))


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = _Parser(prog="cyconv", description="Whole convolutional networks on a CPU.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"cyconv {cyconv.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, function, text: str, table: bool = True, net: bool = False) -> argparse.ArgumentParser:
        words = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        words.set_defaults(command=function, form="text")
        if net:
            words.add_argument("net", metavar="NET", choices=models.list_models(), help=", ".join(models.list_models()))
        if table:
            form = words.add_mutually_exclusive_group()
            form.add_argument("--markdown", dest="form", action="store_const", const="markdown", help="as a table in Markdown")
            form.add_argument("--json", dest="form", action="store_const", const="json", help="as JSON, with exact figures")
        return words

    add("info", info_command, "what this machine has and cyconv uses: instruction set, threads, caches, measured peak")

    words = add("summary", summary_command, "what each layer of a network costs and sees", net=True)
    words.add_argument("--input-shape", type=shape, metavar="N,C,H,W", help="default: one image of the size the network is made for")

    words = add("profile", profile_command, "the measured time of each step of a network, on seeded random weights and input", net=True)
    words.add_argument("--threads", type=count, metavar="N", help="default: the CPUs that this process may use")
    words.add_argument("--repeats", type=count, default=20, metavar="N", help="runs, of which medians are shown (default 20)")
    words.add_argument("--batch", type=count, default=1, metavar="N", help="images at a time (default 1)")

    words = add("run", run_command, "the classes that a network sees in pictures", net=True)
    words.add_argument("--weights", type=Path, metavar="FILE", help=".npz or .safetensors; digits has weights of its own")
    words.add_argument("--top", type=count, default=5, metavar="K", help="classes shown for each image (default 5)")
    words.add_argument("--labels", type=Path, metavar="FILE", help="names of the classes, one a line")
    words.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="a picture, or a .npy array that is the network's input")

    words = add("lecture", lecture_command, "the lecture's tables, computed, and where its printed figures differ")
    words.add_argument("table", nargs="*", metavar="TABLE", help=f"{', '.join(lecture.TABLES)}; default: all")

    words = add("demo", demo_command, "the lecture's example, the digits network, GoogLeNet and AlexNet on photographs", table=False)
    words.add_argument("--output", type=Path, default=Path("demo-out"), metavar="DIR", help="where pictures go (default: demo-out)")
    return parser


# Showing


def show(table: Table, form: str, **figures) -> None:
    """Print a table as text, Markdown, or JSON with further figures."""
    if form == "json":
        print(json.dumps({**figures, "records": table.records}, indent=1, ensure_ascii=False))
    else:
        print(table.to_markdown().rstrip() if form == "markdown" else table)


def note(text: str) -> None:
    """A line about what takes time, for people at a terminal."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"{text} …", file=sys.stderr, flush=True)


def progress(items: list, what: str) -> Iterable:
    """``items``, with a bar, or a line where tqdm is not installed, for people at a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        return items
    try:
        from tqdm import tqdm
    except ImportError:
        note(f"{what}: {len(items)}")
        return items
    return tqdm(items, desc=what, leave=False)


# Commands


def info_command(arguments: argparse.Namespace) -> None:
    """`cyconv info`."""
    threads = cyconv.get_num_threads()
    note("measuring the peak")
    one, all_threads = cpu.measure_peak(), measured_peak(threads)
    can = cpu.runnable_isas()
    facts = {
        "cyconv": cyconv.__version__,
        "Python": f"{platform.python_version()}, NumPy {np.__version__}, {platform.system()} {platform.machine()}",
        "CPU": cpu_model(),
        "instruction sets": f"{cyconv.isa()} in use ({cpu.lanes()} floats a vector); can run: {', '.join(can)}",
        "threads": f"{threads} of {os.cpu_count()} CPUs",
        "caches": ", ".join(caches()) or "unknown",
        "peak, 1 thread": f"{one:.0f} GFLOP/s of float32 multiply-adds, measured now",
        f"peak, {threads} thread{'s' if threads > 1 else ''}": f"{all_threads:.0f} GFLOP/s",
    }
    table = Table([{"what": key, "value": value} for key, value in facts.items()], {"what": "", "value": ""})
    if arguments.form == "text":
        width = max(map(len, facts))
        print("\n".join(f"{key:{width}}  {value}" for key, value in facts.items()))
    else:
        show(table, arguments.form, isa=cyconv.isa(), threads=threads, peak_gflops=one, peak_gflops_all=all_threads)


def cpu_model(path: str = "/proc/cpuinfo") -> str:
    """The processor's name, as far as the system tells."""
    try:
        for line in Path(path).read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def caches(folder: str = "/sys/devices/system/cpu/cpu0/cache") -> list[str]:
    """The first CPU's caches in words, such as ``L1 data 48K``, smallest first; empty where the system does not tell."""
    found = []
    for index in sorted(Path(folder).glob("index*")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        found.append(f"L{level}{'' if kind == 'Unified' else ' ' + kind.lower()} {size}")
    return found


def measured_peak(threads: int) -> float:
    """GFLOP/s of that many threads at the same time."""
    start = Barrier(threads)

    def measure(_) -> float:
        start.wait()
        return cpu.measure_peak(0.1)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(measure, range(threads)))


def seeded(name: str) -> Module:
    """A network with the same random weights every time."""
    init.manual_seed(0)
    return models.get_model(name)


def summary_command(arguments: argparse.Namespace) -> None:
    """`cyconv summary`."""
    input_shape = arguments.input_shape or (1, *models.INPUT_SHAPES[arguments.net])
    table = summary(seeded(arguments.net), input_shape)
    totals = {key: getattr(table, key) for key in ("weights", "biases", "parameters", "unused_parameters", "macs")}
    show(table, arguments.form, net=arguments.net, input_shape=input_shape, **totals)


def profile_command(arguments: argparse.Namespace) -> None:
    """`cyconv profile`."""
    input_shape = (arguments.batch, *models.INPUT_SHAPES[arguments.net])
    note(f"building and compiling {arguments.net}")
    plan = cyconv.compile(seeded(arguments.net), input_shape, arguments.threads)
    x = np.random.default_rng(0).standard_normal(input_shape, np.float32)
    note(f"running it {arguments.repeats + 1} times")
    result = plan.profile(x, repeats=arguments.repeats)
    figures = {key: getattr(result, key) for key in ("isa", "num_threads", "total_ms", "peak_gflops")}
    if arguments.form == "json":
        show(Table(result.records, {}), "json", net=arguments.net, input_shape=input_shape, **figures)
    else:
        show(result.table(), arguments.form)


def run_command(arguments: argparse.Namespace) -> None:
    """`cyconv run`."""
    net = loaded(arguments.net, arguments.weights)
    image_shape = models.INPUT_SHAPES[arguments.net]
    plan = cyconv.compile(net, (1, *image_shape))
    classes = plan.output_shapes[0][1]
    labels = read_labels(arguments.labels, classes) if arguments.labels else None
    records = []
    for path in progress(arguments.images, "images"):
        inputs = load_images(path, image_shape)
        for i in range(len(inputs)):
            name = str(path) if len(inputs) == 1 else f"{path}[{i}]"
            chances = F.softmax(plan(inputs[i : i + 1]), 1)[0]
            best = np.argsort(-chances, kind="stable")[: arguments.top]
            for rank, k in enumerate(map(int, best), 1):
                label = {"label": labels[k]} if labels else {}
                records.append({"image": name, "rank": rank, "class": k, **label, "probability": float(chances[k])})
    columns = {key: key for key in ("image", "rank", "class", "label", "probability") if labels or key != "label"}
    show(Table(records, columns), arguments.form, net=arguments.net)


def loaded(name: str, weights: Path | None) -> Module:
    """The network with the weights of a file; the digits network comes with its own."""
    if weights is None:
        if name != "digits":
            raise UsageError(f"{name} needs --weights: only digits has weights in the package")
        return models.digits(pretrained=True)
    arrays = load_state_dict(weights)
    arrays.pop(RESULT, None)
    net = models.get_model(name, **RUN_OPTIONS.get(name, {}))
    net.load_state_dict(arrays)
    return net


def read_labels(path: Path, classes: int) -> list[str]:
    """One label a line, as many as there are classes."""
    try:
        labels = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: it is no text in UTF-8") from None
    if len(labels) != classes:
        raise ValueError(f"{path}: expected {classes} lines, one for each class of the network, got {len(labels)}")
    return labels


def lecture_command(arguments: argparse.Namespace) -> None:
    """`cyconv lecture`."""
    names = arguments.table or list(lecture.TABLES)
    for name in names:
        if name not in lecture.TABLES:
            raise UsageError(f"argument TABLE: expected {', '.join(lecture.TABLES)}, got {name!r}")
    if arguments.form == "json":
        tables = {name: {"computed": lecture.TABLES[name]().records, "differences": lecture.compare(name).records} for name in names}
        print(json.dumps(tables, indent=1, ensure_ascii=False))
        return
    for name in names:
        print_lecture(name, arguments.form)


def print_lecture(name: str, form: str = "text") -> None:
    """One table of the lecture as computed, and the published cells that differ."""
    computed, differences = lecture.TABLES[name](), lecture.compare(name)
    computed.title = f"The lecture's {name}, computed:"
    differences.title = f"Published figures of {name} that differ:"
    show(computed, form)
    print()
    if differences.records:
        show(differences, form)
    else:
        print("\n".join(differences.notes))
    print()


def demo_command(arguments: argparse.Namespace) -> None:
    """`cyconv demo`."""
    from cyconv.demo import run_demo

    run_demo(arguments.output)
