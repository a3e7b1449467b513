"""Whether an exported file computes what the PyTorch network computes."""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from torch import nn

from sculptnet.arch import TensorShape
from sculptnet.errors import DeviceError
from sculptnet.export.graph import to_onnx
from sculptnet.export.session import Images, OnnxModel, open_session
from sculptnet.nets import Network
from sculptnet.records.card import Agreement

TOLERANCE = 1e-4  # of the largest logit, at least 1: float32 sums in another order


def compare(model: OnnxModel, network: nn.Module, images: Images) -> Agreement:
    """Runs `images`, float32 `(batch, 3, height, width)`, through both. `network` is left as it is."""
    expected, got = reference_logits(network, images), model.logits(images)
    return Agreement(
        max_difference=float(np.abs(expected - got).max()),
        largest_logit=float(np.abs(expected).max()),
        same_class=float((expected.argmax(axis=1) == got.argmax(axis=1)).mean()),
        num_images=len(images),
    )


def parity(model: OnnxModel, network: nn.Module, images: Images, *, tolerance: float = TOLERANCE) -> float:
    """The largest absolute difference between the logits of a float32 file and those of `network`.

    Args:
        model: the exported file.
        network: what it was exported from; left as it is.
        images: float32 `(batch, 3, height, width)`.
        tolerance: times the largest absolute logit, or 1 if that is smaller, is what may differ.

    Raises:
        DeviceError: they differ by more; the message names the image, the logit and the first block that differs.
    """
    expected, got = reference_logits(network, images), model.logits(images)
    difference = np.abs(expected - got)
    limit = tolerance * max(1.0, float(np.abs(expected).max()))
    if difference.max() <= limit:  # false for a NaN, too
        return float(difference.max())
    image, logit = np.unravel_index(np.nanargmax(np.where(np.isnan(difference), np.inf, difference)), difference.shape)
    raise DeviceError(
        f"{model.path.name}: ONNX Runtime {ort.__version__} and PyTorch {torch.__version__} differ by "
        f"{difference[image, logit]:.3g} at image {image}, logit {logit} ({got[image, logit]:.6g}, PyTorch "
        f"{expected[image, logit]:.6g}); at most {limit:.3g} is allowed. {_where(network, images, tolerance)}"
    )


def reference_logits(network: nn.Module, images: Images) -> npt.NDArray[np.float32]:
    """What PyTorch computes in eval mode, in float32 on the CPU; `network` is left as it is."""
    frozen = copy.deepcopy(network).cpu().float().eval()
    with torch.no_grad():
        logits: npt.NDArray[np.float32] = frozen(torch.from_numpy(images)).numpy()
    return logits


def _where(network: nn.Module, images: Images, tolerance: float) -> str:
    """The first block whose own graph differs from its module; blocks are fed what PyTorch computes."""
    if not isinstance(network, Network):
        return "Export the network again, or use another version of ONNX Runtime"
    x = images
    for path, _, _ in network.architecture.blocks():
        block = network.get_submodule(path)
        expected = reference_logits(block, x)
        graph = to_onnx(block, TensorShape(*(*x.shape[1:], 1, 1)[:3]), dynamic_batch=True)
        (got,) = open_session(graph.SerializeToString()).run(None, {graph.graph.input[0].name: x})
        if not np.abs(expected - got).max() <= tolerance * max(1.0, float(np.abs(expected).max())):
            return f"{path} is the first block that differs on its own: use another version of ONNX Runtime"
        x = expected
    return "Every block agrees on its own: the file is not an export of this network; export it again"
