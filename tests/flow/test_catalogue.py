"""The zoo in the terminal."""

from __future__ import annotations

import pytest

from sculptnet import zoo
from sculptnet.cli.catalogue import describe_published, draw, show_published
from sculptnet.cost import macs
from sculptnet.errors import InvalidValue

FIELDS = ["name", "resolution", "macs", "conv_fc_weights", "parameters", "top1", "paper"]


def test_machines_get_the_fields_that_scripts_rely_on() -> None:
    row = describe_published(zoo.BY_NAME["fbnet_96_035_1"])
    assert list(row) == FIELDS
    assert (row["name"], row["resolution"]) == ("fbnet_96_035_1", 96)
    assert row["macs"] == macs(zoo.BY_NAME["fbnet_96_035_1"].architecture)


def test_a_network_is_drawn_layer_by_layer() -> None:
    architecture = zoo.BY_NAME["mobilenet_v2"].architecture
    lines = draw(architecture).splitlines()
    paths = [path for path, _, _ in architecture.blocks()]
    assert [line.split()[0] for line in lines[:-1]] == paths
    assert max(line.count("█") for line in lines) == 40
    assert lines[-1] == "300.8 M MACs, 3.50 M parameters"
    text, document = show_published("mobilenet_v2")
    assert text.endswith(draw(architecture))
    assert document == describe_published(zoo.BY_NAME["mobilenet_v2"])


def test_a_misspelt_name_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(InvalidValue, match="the zoo has no 'fbnet_d'; did you mean fbnet"):
        show_published("fbnet_d")
