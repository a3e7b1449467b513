"""The runtimes of this machine by name. One is imported when its device is made, never before."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

from sculptnet.devices.plan import Device
from sculptnet.errors import DeviceError, told
from sculptnet.named import find


@final
@dataclass(frozen=True)
class Maker:
    """Makes devices of one runtime.

    Attributes:
        module: ours, which imports the runtime.
        made_by: what is called there with a number of threads.
        packages: that have to be installed, as pip calls them.
        extra: of SculptNet that installs them; None if they come with it.
    """

    module: str
    made_by: str
    packages: tuple[str, ...]
    extra: str | None = None

    def __call__(self, threads: int) -> Device:
        """A device with that many threads.

        Raises:
            DeviceError: the runtime is not installed, or the device cannot do what is asked.
        """
        try:
            module = importlib.import_module(self.module)
        except ImportError as error:
            if error.name is not None and error.name.partition(".")[0] == "sculptnet":
                raise
            needed = " and ".join(self.packages)
            raise DeviceError(f"{needed} cannot be imported here ({error}); run `{self.install()}`") from error
        except Exception as error:  # libraries that fail to load say so in their own ways
            raise DeviceError(f"{' and '.join(self.packages)} cannot be loaded here ({told(error)})") from error
        device: Device = getattr(module, self.made_by)(threads)
        return device

    def install(self) -> str:
        """What installs the runtime."""
        plain = f"pip install {' '.join(self.packages)}"
        return plain if self.extra is None else f"pip install 'sculptnet[{self.extra}]'` or `{plain}"


BY_NAME: Mapping[str, Maker] = MappingProxyType(
    {
        "onnxruntime": Maker("sculptnet.devices.onnxruntime", "OnnxRuntime", ("onnxruntime",)),
        "openvino": Maker("sculptnet.devices.openvino", "OpenVino", ("openvino",), "openvino"),
        "torch": Maker("sculptnet.devices.pytorch", "Torch", ("torch",)),
        "torch-compile": Maker("sculptnet.devices.pytorch", "compiled_torch", ("torch",)),
        "torch-cuda": Maker("sculptnet.devices.pytorch", "TorchCuda", ("torch",)),
        "executorch": Maker("sculptnet.devices.executorch", "ExecuTorch", ("executorch",), "executorch"),
        "ncnn": Maker("sculptnet.devices.ncnn", "Ncnn", ("ncnn", "pnnx"), "ncnn"),
    }
)


def open_runtime(name: str, threads: int = 1) -> Device:
    """The runtime of that name on this machine, or the user's own `package.module:name`, with that many threads.

    Raises:
        InvalidValue: there is none; near misses are suggested.
        DeviceError: it is not installed, or it cannot do what is asked, such as more threads than cores.
    """
    return find(name, BY_NAME, "device")(threads)
