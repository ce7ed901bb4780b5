"""`cyconv lecture` and `cyconv demo`: the lecture's tables as computed, and a tour on real data. Part of the command line."""

from __future__ import annotations

import argparse
import json

from cyconv import lecture
from cyconv.cli.network import UsageError
from cyconv.cli.show import show


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
