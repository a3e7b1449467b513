"""Our own parts pass the suites that users run on theirs."""

from __future__ import annotations

from sculptnet.arch import Architecture, SearchSpace, TensorShape, choice, prefix
from sculptnet.blocks import Activation, Classifier, Conv, InvertedResidual, PooledConv, Skip, SqueezeExcite
from sculptnet.data import ImageData
from sculptnet.devices import Device, OnnxRuntime
from sculptnet.search import Evolution, Problem, RandomSearch, Search
from sculptnet.spaces import fbnet
from sculptnet.testing import BlockSuite, DataSuite, DeviceSuite, FakeDevice, SearchSuite, SpaceSuite, tiny_images


class TestConv(BlockSuite):
    examples = (Conv(8), Conv(16, 5, 2, groups=4, activation=Activation.HARD_SWISH))


class TestInvertedResidual(BlockSuite):
    examples = (
        InvertedResidual(16),
        InvertedResidual(8, 5, 2.5, 2, squeeze=SqueezeExcite(), activation=Activation.SWISH),
        InvertedResidual(16, 3, 1, groups=2, depthwise_layers=2),
        InvertedResidual(16, 3, 1, expand_at_1=False),
    )


class TestSkip(BlockSuite):
    examples = (Skip(16), Skip(8), Skip(16, 2))


class TestHeads(BlockSuite):
    examples = (PooledConv(24),)


class TestClassifier(BlockSuite):
    examples = (Classifier(5),)
    shapes = (TensorShape(16, 1, 1),)


class TestFbnet(SpaceSuite):
    def space(self) -> SearchSpace:
        return fbnet(10, 32, width=0.25, layers=(1, 1, 1, 1, 1, 1, 1))


class TestOpenDepthAndFields(SpaceSuite):
    def space(self) -> SearchSpace:
        layers = tuple(InvertedResidual(8, choice(3, 5), choice(1, 3)) for _ in range(2))
        stages = (prefix(layers, 1, 2), (choice(InvertedResidual(16, stride=2, expansion=choice(1, 2)), Skip(16, 2)),))
        return SearchSpace(Architecture(choice(8, 16), Conv(8), stages, PooledConv(8), Classifier(3)))


class TestFakeDevice(DeviceSuite):
    def device(self) -> Device:
        return FakeDevice()


class TestOnnxRuntime(DeviceSuite):
    def device(self) -> Device:
        return OnnxRuntime(1)


class TestRandomSearch(SearchSuite):
    def search(self, problem: Problem, seed: int) -> Search:
        return RandomSearch(batch=5).search(problem, seed)


class TestEvolution(SearchSuite):
    def search(self, problem: Problem, seed: int) -> Search:
        return Evolution(population=6).search(problem, seed)


class TestTinyImages(DataSuite):
    def data(self) -> ImageData:
        return tiny_images(2, per_class=6, resolution=12, grey=True, seed=3)
