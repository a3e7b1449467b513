"""One way from a module to an ONNX graph, for latency tables and for shipped models alike."""

from __future__ import annotations

import io
import warnings

import onnx
import torch
from torch import nn

from sculptnet.arch import TensorShape

OPSET = 17


def to_onnx(module: nn.Module, shape: TensorShape, *, dynamic_batch: bool = False) -> onnx.ModelProto:
    """The graph of `module` in eval mode, batch norm folded into convolutions, input `images`, output `logits`.

    PyTorch's TorchScript exporter is used on purpose: it takes about 15 ms a block where the dynamo exporter takes
    about 850 ms, a latency table needs a hundred graphs or more, and folding matches what runtimes run.

    Args:
        module: any module from `(batch, *shape)` to a tensor; left in the mode it had.
        shape: the input of one image.
        dynamic_batch: the batch is open in the graph; else it is 1.
    """
    training = module.training
    module.eval()
    buffer = io.BytesIO()
    axes = {"images": {0: "batch"}, "logits": {0: "batch"}} if dynamic_batch else None
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        torch.onnx.export(
            module,
            (torch.zeros(1, *shape),),
            buffer,  # type: ignore[arg-type]  # files are accepted, the annotation lags behind
            input_names=["images"],
            output_names=["logits"],
            opset_version=OPSET,
            dynamic_axes=axes,
            dynamo=False,
        )
    module.train(training)
    return onnx.load_model_from_string(buffer.getvalue())
