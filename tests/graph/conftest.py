"""Plans of the tests in this folder use the threads that they are given."""

import pytest

from tests.parallel import small_plans_use_threads


@pytest.fixture(autouse=True)
def _threads():
    with small_plans_use_threads():
        yield
