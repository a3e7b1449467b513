"""A network on disk: its architecture as JSON, its weights as safetensors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from sculptnet.arch import architecture_from_json, to_json
from sculptnet.blocks import ALL
from sculptnet.errors import InvalidValue
from sculptnet.files import at_home
from sculptnet.nets import Network

ARCHITECTURE, WEIGHTS = "architecture.json", "weights.safetensors"
REMEDY = "name the `model` folder of a run, or export the network again"


def save_network(network: Network, folder: Path) -> None:
    """Writes `architecture.json` and `weights.safetensors` into `folder`, each whole or not at all.

    The same network gives the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    text = json.dumps(to_json(network.architecture), indent=2) + "\n"
    for name, content in ((ARCHITECTURE, text.encode()), (WEIGHTS, save(tensors))):
        written = folder / f".{name}.tmp"
        try:
            written.write_bytes(content)
            os.replace(written, folder / name)
        finally:
            written.unlink(missing_ok=True)


def load_network(folder: Path, *, blocks: Iterable[type] = ALL) -> Network:
    """The network that `save_network` wrote, on the CPU, in eval mode.

    Args:
        folder: holds both files.
        blocks: the block classes that the architecture may use.

    Raises:
        InvalidValue: a file is missing or broken, or the weights are those of another architecture; the message names
            the first tensor that differs.
    """
    folder = at_home(folder)
    missing = [name for name in (ARCHITECTURE, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise InvalidValue(f"{folder} has no {' and no '.join(missing)}; {REMEDY}")
    try:
        data = json.loads((folder / ARCHITECTURE).read_text(encoding="utf-8"))
        network = Network(architecture_from_json(data, blocks))
    except MemoryError:
        raise
    except Exception as error:  # sizes that no layer can have come to light where layers are made
        raise InvalidValue(f"{folder / ARCHITECTURE} makes no network; {REMEDY}: {error}") from error
    try:
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise InvalidValue(f"{folder / WEIGHTS} is not a whole safetensors file ({error}); {REMEDY}") from error
    difference = _first_difference(network.state_dict(), tensors)
    if difference:
        raise InvalidValue(f"{folder / WEIGHTS} does not fit {ARCHITECTURE}: {difference}; {REMEDY}")
    network.load_state_dict(tensors)
    return network.eval()


def _first_difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    for name, tensor in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name].shape != tensor.shape:
            return f"{name} has the shape {tuple(found[name].shape)}, the architecture needs {tuple(tensor.shape)}"
    extra = next((name for name in found if name not in expected), None)
    return None if extra is None else f"{extra} belongs to no block of the architecture"
