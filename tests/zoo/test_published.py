"""What is said about published networks is whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sculptnet.errors import InvalidValue
from sculptnet.zoo import BY_NAME


def test_a_latency_needs_its_device() -> None:
    with pytest.raises(InvalidValue, match=r"latency_ms \(5\) and latency_device \(None\) belong together"):
        replace(BY_NAME["mobilenet_v2"], latency_ms=5, latency_device=None)


def test_names_are_lower_case_and_every_network_says_where_it_is_from() -> None:
    for name, entry in BY_NAME.items():
        assert name == entry.name == name.lower()
        assert entry.paper
        assert entry.evidence
