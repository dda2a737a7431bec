"""Real micrographs, and an honest second draw of the same law."""

import pytest
from steel import steel


@pytest.fixture(scope="session")
def real():
    return steel(1000)


@pytest.fixture(scope="session")
def honest():
    return steel(2000)
