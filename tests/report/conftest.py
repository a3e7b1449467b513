from __future__ import annotations

import pytest
from tests.report.made_up import made_up_run

from sculptnet.report import ReportData


@pytest.fixture(scope="session")
def full_run() -> ReportData:
    return made_up_run()
