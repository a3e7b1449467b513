"""One way from a module to an ONNX graph, for latency tables and for shipped models alike."""

from __future__ import annotations

import copy
import io
import threading
import warnings

import onnx
import torch
from torch import nn

from sculptnet.arch import TensorShape
from sculptnet.errors import InvalidValue
from sculptnet.export.lean import tidy

OPSET = 17
INPUT, OUTPUT = "images", "logits"

_EXPORTING = threading.Lock()  # PyTorch's exporter keeps its state (opset, training mode) in globals


def to_onnx(module: nn.Module, shape: TensorShape, *, dynamic_batch: bool = False) -> onnx.ModelProto:
    """The graph of `module` in eval mode, batch norm folded into convolutions, input `images`, output `logits`.

    The same module gives the same bytes in every process. PyTorch's TorchScript exporter is used on purpose: a latency
    table needs a hundred graphs or more, the dynamo exporter takes fifty times as long (850 against 15 ms a block on
    an idle core), and folding matches what runtimes run. A copy of the module is exported: training modes, device and
    memory format of `module` stay, and another thread may train it meanwhile.

    Args:
        module: any module from `(batch, *shape)` to one tensor.
        shape: the input of one image.
        dynamic_batch: the batch is open in the graph; else it is 1.

    Raises:
        InvalidValue: the module does not accept `(1, *shape)`, or has no ONNX form.
    """
    frozen = copy.deepcopy(module).cpu().float().eval()
    buffer = io.BytesIO()
    axes = {INPUT: {0: "batch"}, OUTPUT: {0: "batch"}} if dynamic_batch else None
    with _EXPORTING, warnings.catch_warnings(), torch.no_grad():
        # This exporter is deprecated but chosen (above); ChannelShuffle makes its sizes constants on purpose.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(torch|sculptnet\.export)\.")
        category = torch.jit.TracerWarning  # type: ignore[attr-defined]  # public, but not in `__all__`
        warnings.filterwarnings("ignore", category=category, module=r"sculptnet\.blocks\.layers")
        try:
            torch.onnx.export(
                frozen,
                (torch.zeros(1, *shape),),
                buffer,  # type: ignore[arg-type]  # files are accepted, the annotation lags behind
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamic_axes=axes,
                dynamo=False,
            )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            first = str(error).strip().splitlines()[0]
            raise InvalidValue(
                f"{type(module).__name__} has no ONNX graph for an input of {shape}: {first}; "
                f"check the input shape and that every operation has a form in ONNX opset {OPSET}"
            ) from error
    return tidy(onnx.load_model_from_string(buffer.getvalue()))
