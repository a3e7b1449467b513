"""The latency of whole detectors before they are trained: network, decoding, and the dropping of overlaps.

How long overlaps take to drop depends on what is found, and an untrained network finds everything or nothing. So what
comes after the network sees what a good one would say of a typical training photograph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torchvision.ops import box_iou

from sculptnet.arch import IMAGE_CHANNELS, Architecture, TensorShape
from sculptnet.devices import Model, times
from sculptnet.devices.graphs import answer_of, settle
from sculptnet.errors import DeviceError
from sculptnet.export.detector_graph import detector_graph, raw_graph, with_answer
from sculptnet.export.session import Images
from sculptnet.job import BoxJob
from sculptnet.nets.detector import Detector, initialise_detector
from sculptnet.nets.ssdlite import SsdLite

SURE = 6.0  # a logit: 99 % against one other class
MET = 0.5  # intersection over union from which on a first box belongs to an object: torchvision's matcher


@dataclass(frozen=True)
class TimedAs:
    """How detectors are timed in a search.

    Attributes:
        whole: with what comes after the network; without it on a device that cannot run that.
    """

    whole: bool


@dataclass(frozen=True, eq=False)
class WholeDetectors:
    """Makes the graphs of untrained detectors.

    Attributes:
        job: for the detector on a network.
        said: what a good detector says of a typical photograph; None leaves out what comes after the network.
    """

    job: BoxJob[Any]
    said: Images | None

    def __call__(self, backbone: Architecture) -> Model:
        """The graph that is timed."""
        plan = self.job.plan(backbone)
        detector = settled(plan)
        shape = (1, IMAGE_CHANNELS, plan.size, plan.size)
        if self.said is not None:
            return Model(with_answer(detector_graph(detector), self.said).SerializeToString(), shape)
        graph = raw_graph(detector).SerializeToString()
        return Model(graph, shape, answer_of(detector, shape), module=detector)


def whole_detectors(job: BoxJob[Any]) -> WholeDetectors:
    """What makes them for the device of a run; whether it can run what comes after the network is tried out once."""
    said = typical_answer(job)
    kept = job.once("timed_as", TimedAs, lambda: _tried(job, WholeDetectors(job, said)))
    return WholeDetectors(job, said if kept.whole else None)


def _tried(job: BoxJob[Any], whole: WholeDetectors) -> TimedAs:
    try:
        times({"a detector": whole(_any_network(job))}, job.device, reference=job.reference(), alternate=True)
    except DeviceError as error:
        job.say(f"Note: detectors are timed without what comes after the network, since {error}")
        return TimedAs(False)
    return TimedAs(True)


def settled(plan: SsdLite) -> Detector:
    """An untrained detector whose activations neither grow nor vanish; the same in every process."""
    with torch.random.fork_rng(devices=[]):
        detector = Detector(plan)
    initialise_detector(detector, seed=0)
    settle(detector, TensorShape(IMAGE_CHANNELS, plan.size, plan.size))
    detector.eval()
    return detector


def typical_answer(job: BoxJob[Any]) -> Images:
    """What the heads of a good detector say, `(1, boxes, 4 + 1 + classes)`.

    Of the training photograph with the median number of objects: each first box that meets one is sure of its class,
    all others are sure that there is nothing.
    """
    plan = job.plan(_any_network(job))
    boxes, train = Detector(plan).boxes, job.data.train
    typical = sorted(range(len(train)), key=lambda index: len(train.boxes[index].labels))[len(train) // 2]
    objects, (width, height) = train.boxes[typical], train.sizes[typical].tolist()
    answer = torch.zeros(1, len(boxes), 4 + 1 + plan.num_classes)
    answer[0, :, 4] = SURE
    if len(objects.labels):
        scale = torch.tensor([plan.size / width, plan.size / height]).repeat(2)
        overlap, nearest = box_iou(boxes, torch.from_numpy(objects.corners) * scale).max(dim=1)
        met = torch.nonzero(overlap >= MET).flatten()
        answer[0, met, 4] = 0.0
        answer[0, met, 5 + torch.from_numpy(objects.labels)[nearest[met]]] = SURE
    return np.ascontiguousarray(answer.numpy())


def _any_network(job: BoxJob[Any]) -> Architecture:
    """One of the run's: their first boxes are the same."""
    if isinstance(job.subject, Architecture):
        return job.subject
    first = job.space.canonical([[0] * len(job.space.decisions)])[0]
    return job.space.decode(first).architecture
