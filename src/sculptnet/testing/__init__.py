"""Conformance suites and fakes, for us and for blocks, spaces, devices, methods and data sets of your own.

A suite is a class of tests: in a test file, `class TestMine(BlockSuite)` says what to look at, and pytest runs it.
"""

from sculptnet.testing.blocks import BlockSuite
from sculptnet.testing.data import DataSuite
from sculptnet.testing.devices import DeviceSuite
from sculptnet.testing.elsewhere import elsewhere
from sculptnet.testing.fakes import FakeDevice, fake_device, tiny_images
from sculptnet.testing.searches import SearchSuite
from sculptnet.testing.spaces import SpaceSuite

__all__ = [
    "BlockSuite",
    "DataSuite",
    "DeviceSuite",
    "FakeDevice",
    "SearchSuite",
    "SpaceSuite",
    "elsewhere",
    "fake_device",
    "tiny_images",
]
