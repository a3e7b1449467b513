"""The page on what was made of one supernet: networks by device and budget, and each device's whole front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from sculptnet.report.figures.specialized import Panel, draw
from sculptnet.report.page import write_page
from sculptnet.report.render import figure
from sculptnet.report.text import count, milliseconds, percent
from sculptnet.report.values import Code, Column, Head, Paragraph, Section, Table, columns
from sculptnet.words import several


@final
@dataclass(frozen=True)
class SpecializedNetwork:
    """A network that was cut out of a supernet for a device and a budget.

    Attributes:
        device: the folder of the device.
        budget_ms, latency_ms, predicted_ms: the budget, what was measured, what the table said.
        test_top1, test_balanced, held_out_top1, predicted_top1: accuracy of the judged file on the test images, over
            images and over classes; of the network on training images that were held out; and what the predictor said
            of those; fractions.
        macs, parameters: counts.
        network: the architecture in a line.
        search_seconds: of evolution, measuring whole, and judging.
        within_budget: whether `latency_ms` is.
        folder: the run directory of this network.
        limits: beside the latency, name and most of each.
        fine_tune_epochs: of training after it was cut out; the test accuracies alone are of after that.
        warnings: about its files, as its card has them.
    """

    device: str
    budget_ms: float
    latency_ms: float
    predicted_ms: float
    test_top1: float
    test_balanced: float
    held_out_top1: float
    predicted_top1: float
    macs: int
    parameters: int
    network: str
    search_seconds: float
    within_budget: bool
    folder: Path
    limits: tuple[tuple[str, float], ...] = ()
    fine_tune_epochs: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def asked(self) -> str:
        """What it was made for: the budget, other limits, fine-tuning."""
        limits = [f"{name} {at_most:g}" for name, at_most in self.limits]
        tuned = [f"{self.fine_tune_epochs} epochs"] if self.fine_tune_epochs else []
        return ", ".join([f"{self.budget_ms:g} ms", *limits, *tuned])


@final
@dataclass(frozen=True)
class DeviceFront:
    """A device.

    Attributes:
        device: its folder.
        points: predicted latency (ms) and accuracy (fraction) of networks that no other beats in both.
        networks: those that were made for it.
    """

    device: str
    points: tuple[tuple[float, float], ...]
    networks: tuple[SpecializedNetwork, ...]


def write_specialized(title: str, devices: Sequence[DeviceFront], folder: Path) -> Path:
    """Writes `report.html` and its figures into `folder`; returns the page's path.

    Raises:
        RunError: a file could not be written.
    """
    networks = [network for device in devices for network in device.networks]
    trained = "without training" if not any(network.fine_tune_epochs for network in networks) else "some fine-tuned"
    counts = f"{several(len(networks), 'network')} for {several(len(devices), 'device')}"
    head = Head(title, f"{counts}, cut out of one supernet, {trained}")
    return write_page(folder, "specialized.html", head, [_over_latency(devices), _listed(networks)])


def _over_latency(devices: Sequence[DeviceFront]) -> Section:
    title = "Accuracy over latency"
    panels = [_panel(device) for device in devices]
    description = "; ".join(
        f"{network.device}, {network.asked}: {percent(network.test_top1)} at {milliseconds(network.latency_ms)}"
        for device in devices
        for network in device.networks
    )
    caption = (
        "Grey: what predictor and table say of the best networks of the supernet. Each budget's network as it was "
        "predicted, as the supernet's weights do on training images that were held out, and as the exported file does "
        "on the test images, fine-tuned where that was asked for."
    )
    drawn = figure("specialized", title, f"{description}.", caption, lambda: draw(panels))
    return Section("accuracy-latency", title, (drawn,))


def _panel(device: DeviceFront) -> Panel:
    networks = device.networks
    return Panel(
        device.device,
        device.points,
        [network.budget_ms for network in networks],
        [(network.predicted_ms, network.predicted_top1) for network in networks],
        [(network.latency_ms, network.held_out_top1) for network in networks],
        [(network.latency_ms, network.test_top1) for network in networks],
    )


def _listed(networks: Sequence[SpecializedNetwork]) -> Section:
    heads = columns(
        "Device",
        "Budget",
        "Latency",
        "By the table",
        "Test",
        "Balanced",
        "Held out",
        "Predicted",
        "Multiply-adds",
        "Parameters",
        "Found in",
    )
    rows = [
        (
            network.device,
            network.asked,
            milliseconds(network.latency_ms) + ("" if network.within_budget else " (over)"),
            milliseconds(network.predicted_ms),
            percent(network.test_top1),
            percent(network.test_balanced),
            percent(network.held_out_top1),
            percent(network.predicted_top1),
            count(network.macs),
            count(network.parameters),
            f"{network.search_seconds:.0f} s",
            Code(network.network),
        )
        for network in networks
    ]
    caption = "Latencies and test accuracies of the file that the budget judges."
    listed = Table(caption, (*heads, Column("Network", numeric=False)), rows)
    warned = [Paragraph(f"Warning: {one.asked} on {one.device}: {text}") for one in networks for text in one.warnings]
    return Section("networks", "Networks", (listed, *warned))
