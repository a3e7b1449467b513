"""The options of one place in closed form: a smaller block with the trained one's weights, fitted to its outputs."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from sculptnet.arch import Block
from sculptnet.blocks import Bottleneck, InvertedResidual
from sculptnet.blocks.squeeze import SqueezeExciteModule
from sculptnet.inherit.anatomy import (
    Place,
    added,
    before_activation,
    body_of,
    built,
    conv_of,
    features,
    has_body,
    hidden_width,
    in_chunks,
    inverted_form,
    linear_map,
    projection_of,
    set_linear_map,
)
from sculptnet.inherit.channels import chosen_channels
from sculptnet.inherit.kernels import DepthwiseFit, RegularFit, pixels_at
from sculptnet.inherit.least_squares import Moments, Sums, ridge
from sculptnet.inherit.settings import Refit
from sculptnet.inherit.slices import Channels, take_bottleneck, take_inverted


class Fitting:
    """Makes the options of one place.

    What an option computes of `x` is fitted to what the whole block computes of `whole_x`. Both are the same for an
    option alone in its network; in a network that is carved from the input on, `x` is what the carved part gives.

    Args:
        place: of the trained network, with orders of its channels.
        orders: see `orders.orders_of`.
        whole_x: inputs of the place in the trained network, `(images, channels, height, width)`.
        x: inputs in the network that the option is for, same shape.
        refit: rows and pulls.
        many: options are made of the same place: all hidden channels are looked at once, for all widths.
    """

    def __init__(
        self, place: Place, orders: Channels, whole_x: Tensor, x: Tensor, refit: Refit, *, many: bool = False
    ) -> None:
        self.place, self.orders, self.refit, self.many = place, orders, refit, many
        self.whole_x, self.x = whole_x, x
        self._kernels: dict[int, nn.Module] = {}
        self._shared_moments: dict[int, Moments] = {}
        self._targets: Tensor | None = None

    @torch.no_grad()
    def module(self, block: Block) -> nn.Module:
        """The module of `block`; that of the whole block on its own inputs is the trained one itself."""
        if block == self.place.block and (self.x is self.whole_x or not has_body(block)):
            return self.place.module
        if block.is_identity(self.place.in_channels):
            return nn.Identity()
        if isinstance(self.place.block, Bottleneck):
            return self._bottleneck(block)
        form = inverted_form(block)
        assert form is not None
        channels = self._channels(block, form)
        module = built(block, self.place)
        take_inverted(self._with_kernel(form.kernel_size), module, form, channels)
        if form.squeeze is not None and len(channels["hidden"]) < len(self.orders["hidden"]):
            self._fit_squeeze(module, channels)
        if self.many and form.squeeze is None:
            moments = self._shared(form.kernel_size).take(channels["hidden"], torch.arange(block.out_channels))
        else:
            moments = self._seen(module)
        self._project(module, moments, form.groups)
        return module

    def _channels(self, block: Block, form: InvertedResidual | None) -> Channels:
        width = hidden_width(block, self.place.in_channels)
        assert width is not None
        found = {"hidden": chosen_channels(self.orders["hidden"], width, form.groups if form else 1)}
        if "inner" in self.orders:
            found["inner"] = chosen_channels(self.orders["inner"], width)
        if form is not None and form.squeeze is not None:
            squeezed = form.squeeze.squeezed_channels(self.place.in_channels, width)
            found["squeezed"] = chosen_channels(self.orders["squeezed"], squeezed)
        return found

    # ------------------------------------------------------------------ projections
    def _pixels(self, rows: int) -> Tensor:
        first = before_activation(self.place.module, self.whole_x[:1])
        return self.refit.pixels(first.new_empty(len(self.x), 0, *first.shape[2:]), rows)

    def _wanted(self) -> Tensor:
        """What the projection should give, in rows: the whole block's output less what is added to the option's."""
        if self._targets is None:
            pixels, module = self._pixels(self.refit.rows), self.place.module
            self._targets = torch.cat(
                [
                    pixels_at(before_activation(module, self.whole_x[part]) - added(module, self.x[part]), pixels[part])
                    for part in in_chunks(len(self.x), self.refit.chunk)
                ]
            )
        return self._targets

    def _seen(self, module: nn.Module, until: str | None = None) -> Moments:
        """Of what the projection of `module` reads, and of what it should give."""
        sums, pixels, wanted = Sums(), self._pixels(self.refit.rows), self._wanted()
        count = pixels.shape[1]
        for part in in_chunks(len(self.x), self.refit.chunk):
            rows = slice(part.start * count, part.stop * count)
            sums.add(pixels_at(features(module, self.x[part], until), pixels[part]), wanted[rows])
        return sums.moments()

    def _shared(self, kernel_size: int) -> Moments:
        """Of all hidden channels before any gate: a narrower option takes its part."""
        if kernel_size not in self._shared_moments:
            self._shared_moments[kernel_size] = self._seen(self._with_kernel(kernel_size), "squeeze")
        return self._shared_moments[kernel_size]

    def _project(self, module: nn.Module, moments: Moments, groups: int) -> None:
        layer = projection_of(module)
        prior = linear_map(layer)
        size, width = len(moments.inputs) // groups, len(moments.targets_mean) // groups
        fitted = []
        for index in range(groups):
            own = torch.arange(index * size, (index + 1) * size), torch.arange(index * width, (index + 1) * width)
            fitted.append(ridge(moments.take(*own) if groups > 1 else moments, self.refit.ridge, prior[own[1]]))
        set_linear_map(
            layer, torch.cat([weights for weights, _ in fitted]), torch.cat([biases for _, biases in fitted])
        )

    # ------------------------------------------------------------------ kernels
    def _with_kernel(self, size: int) -> nn.Module:
        """The whole block with smaller depthwise kernels, fitted to the responses of its own."""
        form = inverted_form(self.place.block)
        assert form is not None
        if size == form.kernel_size:
            return self.place.module
        if size not in self._kernels:
            block = replace(self.place.block, kernel_size=size)  # type: ignore[type-var]
            module = built(block, self.place)
            channels = {name: torch.arange(len(order)) for name, order in self.orders.items()}
            take_inverted(self.place.module, module, form, channels)
            names = [name for name, _ in body_of(module).named_children() if name.startswith("depthwise")]
            for name in names:
                self._fit_kernels(module, name, DepthwiseFit(body_of(module).get_submodule(name)), None)
            self._kernels[size] = module
        return self._kernels[size]

    def _fit_kernels(self, module: nn.Module, name: str, fit: DepthwiseFit | RegularFit, hidden: Tensor | None) -> None:
        layer = conv_of(body_of(self.place.module).get_submodule(name))
        pixels = None
        for part in in_chunks(len(self.x), self.refit.chunk):
            target = layer(features(self.place.module, self.whole_x[part], name))
            if pixels is None:
                pixels = self.refit.pixels(target.new_empty(len(self.x), 0, *target.shape[2:]), self.refit.kernel_rows)
            chosen = target if hidden is None else target[:, hidden]
            fit.add(features(module, self.x[part], name), chosen, pixels[part])
        fit.apply(self.refit.ridge)

    # ------------------------------------------------------------------ squeeze-and-excitation, bottlenecks
    def _fit_squeeze(self, module: nn.Module, channels: Channels) -> None:
        """Fits the squeeze, then the excitation, to what those of the whole block give before their activations."""
        whole, part = (body_of(one).get_submodule("squeeze") for one in (self.place.module, module))
        assert isinstance(whole, SqueezeExciteModule)
        assert isinstance(part, SqueezeExciteModule)
        squeezed = whole.squeeze(self._pooled(self.place.module, self.whole_x))
        excited = whole.excite(whole.act(squeezed))
        pooled = self._pooled(module, self.x)
        for conv, given, wanted in (
            (part.squeeze, lambda: pooled, squeezed[:, channels["squeezed"]]),
            (part.excite, lambda: part.act(part.squeeze(pooled)), excited[:, channels["hidden"]]),
        ):
            sums = Sums()
            sums.add(given()[:, :, 0, 0], wanted[:, :, 0, 0])
            weights, biases = ridge(sums.moments(), self.refit.image_ridge, conv.weight[:, :, 0, 0])
            conv.weight.copy_(weights[:, :, None, None])
            assert conv.bias is not None
            conv.bias.copy_(biases)

    def _pooled(self, module: nn.Module, x: Tensor) -> Tensor:
        """What squeeze-and-excitation sees, `(images, hidden, 1, 1)`."""
        chunks = in_chunks(len(x), self.refit.chunk)
        return torch.cat([features(module, x[part], "squeeze").mean((2, 3), keepdim=True) for part in chunks])

    def _bottleneck(self, block: Block) -> nn.Module:
        channels = self._channels(block, None)
        module = built(block, self.place)
        take_bottleneck(self.place.module, module, channels)
        if block != self.place.block:
            fit = RegularFit(body_of(module).get_submodule("convolve"))
            self._fit_kernels(module, "convolve", fit, channels["hidden"])
        self._project(module, self._seen(module), 1)
        return module
