"""The commands and their options. Part of the command line; called by its main function."""

from __future__ import annotations

import argparse
from pathlib import Path

import cyconv
from cyconv import lecture, models
from cyconv.cli.compare import compare_command
from cyconv.cli.info import info_command
from cyconv.cli.lecture import demo_command, lecture_command
from cyconv.cli.network import UsageError, net, profile_command, summary_command
from cyconv.cli.run import run_command


class _Parser(argparse.ArgumentParser):
    """A parser that leaves it to :func:`main` how an error is shown."""

    def error(self, message: str):
        raise UsageError(f"{message} (see {self.prog} --help)")


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

    def add(name: str, function, text: str, table: bool = True) -> argparse.ArgumentParser:
        words = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        words.set_defaults(command=function, form="text")
        if table:
            form = words.add_mutually_exclusive_group()
            form.add_argument("--markdown", dest="form", action="store_const", const="markdown", help="as a table in Markdown")
            form.add_argument("--json", dest="form", action="store_const", const="json", help="as JSON, with exact figures")
        return words

    add("info", info_command, "what this machine has and cyconv uses: instruction set, threads, caches, measured peak")

    words = add("summary", summary_command, "what each layer of a network costs and sees")
    add_net(words)

    words = add("profile", profile_command, "the measured time of each step of a network, on random input")
    add_net(words)
    add_measurement(words, 20, "runs, of which medians are shown")

    words = add("compare", compare_command, "a network in cyconv and in ONNX Runtime: agreement and speed, on random input")
    add_net(words)
    add_measurement(words, 10, "turns of either, five runs each, of which medians are shown")

    words = add("run", run_command, "the classes that a network sees in pictures")
    add_net(words)
    words.add_argument("--weights", type=Path, metavar="FILE", help=".npz or .safetensors; digits and .onnx files have their own")
    words.add_argument("--top", type=count, default=5, metavar="K", help="classes shown for each image (default 5)")
    words.add_argument("--labels", type=Path, metavar="FILE", help="names of the classes, one a line")
    words.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="a picture, or a .npy array that is the network's input")

    words = add("lecture", lecture_command, "the lecture's tables, computed, and where its printed figures differ")
    words.add_argument("table", nargs="*", metavar="TABLE", help=f"{', '.join(lecture.TABLES)}; default: all")

    words = add("demo", demo_command, "the lecture's example, the digits network, GoogLeNet and AlexNet on photographs", table=False)
    words.add_argument("--output", type=Path, default=Path("demo-out"), metavar="DIR", help="where pictures go (default: demo-out)")
    return parser


def add_net(words: argparse.ArgumentParser) -> None:
    """The network, and the shape of what it takes."""
    words.add_argument("net", type=net, metavar="NET", help=f"an .onnx file, or one of {', '.join(models.list_models())}")
    text = "default: one image of the size the network is made for; once for each input"
    words.add_argument("--input-shape", type=shape, action="append", metavar="N,C,H,W", help=text)


def add_measurement(words: argparse.ArgumentParser, repeats: int, text: str) -> None:
    """How, and how often, something is run."""
    words.add_argument("--threads", type=count, metavar="N", help="default: the CPUs that this process may use")
    words.add_argument("--repeats", type=count, default=repeats, metavar="N", help=f"{text} (default {repeats})")
    words.add_argument("--batch", type=count, default=1, metavar="N", help="images at a time (default 1)")
