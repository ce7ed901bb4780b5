"""The command line: `cyconv`, or `python -m cyconv`.

    parser.py        what may be said
    info.py network.py run.py compare.py lecture.py    the commands: each builds a table from the layers below
    show.py          and shows it

Errors are one line on stderr and exit code 2, Ctrl-C is 130, a closed pipe is quiet. Layer of the house: the top; called by the
console script and ``__main__``.
"""

from __future__ import annotations

import os
import sys

from cyconv.cli.parser import build_parser

FAILED, INTERRUPTED, PIPE_CLOSED = 2, 130, 141  # exit codes: argparse's own; 128 + SIGINT; 128 + SIGPIPE
# What users can cause: wrong values, files, memory, missing packages. Anything else is a bug and keeps its traceback.
EXPECTED = (ValueError, TypeError, RuntimeError, OSError, ImportError, MemoryError)
MAX_MESSAGE = 500  # characters; a state_dict of the wrong network lists hundreds of names


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
