"""Threads in tests: small plans would run on one thread, however many they were given."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from cyconv.graph import compile as compiling
from cyconv.graph.eager import plans


@contextmanager
def small_plans_use_threads() -> Iterator[None]:
    """Plans that are compiled inside, also those of functions, use as many threads as they were asked to."""
    plans.clear()
    with mock.patch.object(compiling, "SERIAL_MACS", -1):
        yield
    plans.clear()
