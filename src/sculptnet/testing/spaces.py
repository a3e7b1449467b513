"""What every search space must do."""

from __future__ import annotations

import itertools
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from sculptnet import blocks
from sculptnet.arch import Architecture, IntMatrix, SearchSpace, from_json, to_json
from sculptnet.cost import ConvFcWeights, CostModel, FactoredCost, Macs, Parameters, PeakActivation, cost_of, macs
from sculptnet.nets import Network
from sculptnet.streams import stream
from sculptnet.testing.elsewhere import elsewhere

COUNTED = 3000  # spaces of at most so many rows are counted out


class SpaceSuite(ABC):
    """Subclass it in a test file, name the class `Test...`, write `space`.

    Attributes:
        kinds: block classes that JSON may name.
        drawn: candidates that are looked at.
        built: candidates whose networks are built, without memory (torch's meta device).
    """

    kinds: ClassVar[Iterable[type]] = blocks.ALL
    costs: ClassVar[Sequence[CostModel]] = (Macs(), Parameters(), ConvFcWeights(), PeakActivation())
    drawn: ClassVar[int] = 30
    built: ClassVar[int] = 3

    @abstractmethod
    def space(self) -> SearchSpace:
        """The space to look at."""

    def test_rows_and_candidates_are_the_same_thing(self) -> None:
        space, rows = self._drawn()
        candidates = [space.decode(row) for row in rows]
        assert [space.encode(candidate) for candidate in candidates] == [tuple(row) for row in rows]
        assert len(set(candidates)) == len(np.unique(rows, axis=0))

    def test_canonical_rows_stay_as_they_are(self) -> None:
        space, rows = self._drawn()
        np.testing.assert_array_equal(space.canonical(rows), rows)

    def test_the_size_is_the_number_of_candidates(self) -> None:
        space, rows = self._drawn()
        if math.prod(space.num_options.tolist()) <= COUNTED:
            every = np.array(list(itertools.product(*map(range, space.num_options))), dtype=np.int64)
            assert space.size() == len(np.unique(space.canonical(every), axis=0))
        assert space.size() >= len(np.unique(rows, axis=0))

    def test_json_brings_templates_and_networks_back(self) -> None:
        space, rows = self._drawn()
        for value in (space.architecture, space.recipe, *(space.decode(row).architecture for row in rows[:5])):
            assert from_json(json.loads(json.dumps(to_json(value))), self.kinds) == value

    def test_costs_in_bulk_are_those_of_single_networks(self) -> None:
        space, rows = self._drawn()
        networks = [space.decode(row).architecture for row in rows]
        for cost in self.costs:
            one_by_one = [cost_of(cost, network) for network in networks]
            np.testing.assert_allclose(FactoredCost(space, cost).of(rows), one_by_one, rtol=1e-12, err_msg=cost.name)

    def test_the_sum_over_blocks_is_the_trace_of_the_whole_network(self) -> None:
        for architecture in self._architectures():
            with torch.device("meta"):
                network, image = Network(architecture).eval(), torch.empty(1, 3, *[architecture.resolution] * 2)
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                logits = network(image)
            assert tuple(logits.shape) == (1, architecture.num_classes)
            assert macs(architecture) == counter.get_total_flops() // 2

    def test_another_process_draws_the_same(self) -> None:
        assert elsewhere(self, "draws") == self.draws()

    def draws(self) -> list[list[int]]:
        """Some rows, as JSON."""
        rows: list[list[int]] = self._drawn()[1].tolist()
        return rows

    def _drawn(self) -> tuple[SearchSpace, IntMatrix]:
        space = self.space()
        return space, space.sample(stream(0, "testing.spaces"), self.drawn)

    def _architectures(self) -> list[Architecture]:
        space, rows = self._drawn()
        return [space.decode(row).architecture for row in rows[: self.built]]
