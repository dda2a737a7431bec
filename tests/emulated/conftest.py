"""The module of emulated kernels, or why there is none."""

import launches
import pytest


@pytest.fixture(scope="session")
def emulated():
    """The functions of `launches`."""
    try:
        launches.emulated_kernels()
    except launches.Unavailable as reason:
        pytest.skip(str(reason))
    return launches
