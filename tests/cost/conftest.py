from __future__ import annotations

import pytest
from tests.cost.factored_spaces import SPACES

from sculptnet.arch import SearchSpace


@pytest.fixture(params=SPACES, scope="module")
def made(request: pytest.FixtureRequest) -> SearchSpace:
    """Each of the small spaces."""
    return SPACES[request.param]
