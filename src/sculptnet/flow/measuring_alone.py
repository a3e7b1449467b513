"""The verb `measure`: a table of a space, or the time of one network; no run is needed.

It returns what people read and what machines read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from sculptnet import blocks, settings, spaces, zoo
from sculptnet.arch import Architecture, SearchSpace, architecture_from_json
from sculptnet.cost import LatencyTable, Precision
from sculptnet.cost.table import THROTTLING_PERCENT
from sculptnet.devices import Device, FileMemo, Model, Quality, measure_table, open_device, times
from sculptnet.devices.energy import POWERCAP, open_rapl, power_of
from sculptnet.devices.measure import check_precision, graphs_of, onnx_model
from sculptnet.devices.onnx_files import read_onnx
from sculptnet.devices.opening import REMOTE
from sculptnet.errors import InvalidValue, collected
from sculptnet.files import at_home, read_given, reading, write_json
from sculptnet.flow.bundles import Wish, table_of_bundle, write_bundle
from sculptnet.flow.context import Voice
from sculptnet.flow.measuring import describe_error
from sculptnet.flow.request import SETTING_GROUPS
from sculptnet.named import find, is_part
from sculptnet.runs import RunDirectory

Result: TypeAlias = tuple[str, Any]
DEFAULT_RESOLUTION, DEFAULT_CLASSES = 224, 1000


@dataclass(frozen=True)
class Elsewhere:
    """How a table is measured where nobody reaches from here: the file to write, or the results to read."""

    bundle: Path | None = None
    results: Path | None = None


def measure_target(
    target: str,
    *,
    device: str,
    threads: int,
    precision: Precision,
    resolution: int | None,
    num_classes: int,
    settings: Sequence[str],
    seed: int,
    out: Path | None,
    voice: Voice,
    elsewhere: Elsewhere | None = None,
    energy: bool = False,
    powercap: Path = POWERCAP,
) -> Result:
    """A latency table, if `target` is a space; one measurement, if it is a zoo name, an architecture file or .onnx.

    While a table is measured, its chunks are kept beside `out`; the same call goes on after a kill.

    Args:
        target: a space, a zoo name, an architecture file or an .onnx file.
        device, threads, precision, resolution, num_classes, settings, seed: as on the command line.
        out: where the table or the measurement is written.
        voice: whom to tell.
        elsewhere: a table by a bundle.
        energy: measure the energy of one inference too.
        powercap: where the counters of energy are.
    """
    target, out = at_home(target), None if out is None else at_home(out)
    is_space = target in spaces.BY_NAME or is_part(target)
    _check_options(is_space, device, elsewhere, energy, out)
    _check_fits(target, is_space, precision, resolution, num_classes, settings)
    if not is_space:
        return _measure_network(
            target, device, threads, precision, resolution, out, voice, powercap if energy else None
        )
    space = _space(target, num_classes, resolution or DEFAULT_RESOLUTION, settings)
    if elsewhere is None:
        return _measure_space(space, open_device(device, threads), precision, seed, out, voice)
    options = {
        "target": target,
        "resolution": resolution or DEFAULT_RESOLUTION,
        "num_classes": num_classes,
        "settings": sorted(settings),
    }
    wish = Wish(space, options, device, threads, precision, seed, Quality())
    if elsewhere.bundle is not None:
        return write_bundle(wish, elsewhere.bundle, voice)
    assert elsewhere.results is not None  # one of the two, `_check_options`
    return _written(table_of_bundle(wish, elsewhere.results, voice), out)


def _check_options(is_space: bool, device: str, elsewhere: Elsewhere | None, energy: bool, out: Path | None) -> None:
    problems = []
    if elsewhere is not None:
        if (elsewhere.bundle is None) == (elsewhere.results is None):
            problems.append("--bundle writes and --from-bundle reads; give one of them")
        if not is_space:
            problems.append("--bundle and --from-bundle are for tables; name a space")
        if elsewhere.bundle is not None and out is not None:
            problems.append("--out is for the table; give it with --from-bundle, later")
    if energy and is_space:
        problems.append("--energy is for one network, not for a space")
    if energy and device.startswith(REMOTE):
        problems.append(f"--energy reads counters of this machine, and {device} is another one; measure it there")
    if problems:
        raise InvalidValue(collected(problems, "measure"))


def _check_fits(
    target: str, is_space: bool, precision: Precision, resolution: int | None, num_classes: int, given: Sequence[str]
) -> None:
    """Raises `InvalidValue` for options that the target has no use for."""
    problems = []
    if is_space:
        groups = settings.split(given, SETTING_GROUPS)
        names = [f"{group}.{name}" for group in ("search", "recipe") for name in groups[group]]
        problems += [f"--set {name}: a table depends on the space alone; leave it out" for name in names]
    else:
        if given:
            problems.append("--set: the network is given; only spaces have settings")
        if num_classes != DEFAULT_CLASSES:
            problems.append(f"--num-classes {num_classes}: the network is given, and so are its classes")
    if Path(target).suffix == ".onnx" and precision is not Precision.FP32:
        problems.append(f"--precision {precision.value}: an .onnx file is measured as it is")
    if problems:
        raise InvalidValue(collected(problems, f"measure {target}"))


def _space(target: str, num_classes: int, resolution: int, given: Sequence[str]) -> SearchSpace:
    maker = find(target, spaces.BY_NAME, "space")
    arguments = settings.bind(maker, settings.split(given, SETTING_GROUPS)["space"], "space")
    space: SearchSpace = maker(num_classes, resolution, **arguments)
    return space


def _measure_space(
    space: SearchSpace, device: Device, precision: Precision, seed: int, out: Path | None, voice: Voice
) -> Result:
    memo = None if out is None else FileMemo(out.with_name(f"{out.name}.measurements.jsonl"))
    table = measure_table(space, device, seed=seed, precision=precision, memo=memo, progress=voice.progress)
    result = _written(table, out)
    if memo is not None:
        memo.path.unlink(missing_ok=True)
    return result


def _written(table: LatencyTable, out: Path | None) -> Result:
    if out is not None:
        write_json(out, table.to_json())
    return describe_table(table), table.to_json()


def _measure_network(
    target: str,
    device: str,
    threads: int,
    precision: Precision,
    resolution: int | None,
    out: Path | None,
    voice: Voice,
    powercap: Path | None,
) -> Result:
    rapl = None if powercap is None else open_rapl(powercap)  # before minutes are spent
    opened = open_device(device, threads)
    check_precision(opened, precision)
    model = _model(target, precision, resolution)
    timing = times({target: model}, opened, progress=voice.progress)[target]
    document = {"target": target, "device": opened.name, "precision": precision.value, **asdict(timing)}
    lines = [
        f"{target} on {opened.name}: {timing.median_ms:.3f} ms "
        f"(95 % interval {timing.low_ms:.3f} to {timing.high_ms:.3f}, noise {timing.noise_percent:.1f} %)"
    ]
    if timing.slowdown_percent > THROTTLING_PERCENT:
        lines.append(f"Warning: throttling: the device became {timing.slowdown_percent:.0f} % slower meanwhile")
    if rapl is not None:
        power = power_of(target, model, opened, rapl, progress=voice.progress)
        document |= {
            "energy_mj": power.energy_mj(timing.median_ms),
            "above_idle_mj": power.above_idle_mj(timing.median_ms),
            "power": asdict(power),
        }
        lines.append(
            f"Energy of the processor: {document['energy_mj']:.3g} mJ per inference at {power.running_w:.1f} W, "
            f"{document['above_idle_mj']:.3g} mJ above the {power.idle_w:.1f} W before"
        )
    if out is not None:
        write_json(out, document)
    return "\n".join(lines), document


def _model(target: str, precision: Precision, resolution: int | None) -> Model:
    path = Path(target)
    if path.suffix == ".onnx":
        return onnx_model(target, read_onnx(path), resolution=resolution)
    architecture = find_architecture(target)
    sized = architecture if resolution is None else replace(architecture, resolution=resolution)
    with reading(target, "a network whose blocks can be built"):
        return graphs_of(precision).network(sized)


def find_architecture(target: str) -> Architecture:
    """The architecture of that name in the zoo, or in that JSON file.

    Raises:
        InvalidValue: there is none.
    """
    if target in zoo.BY_NAME:
        return zoo.BY_NAME[target].architecture
    if Path(target).suffix == ".json":
        data = read_given(Path(target), "an architecture file")
        try:
            return architecture_from_json(data, blocks.ALL)
        except InvalidValue as error:
            raise InvalidValue(f"{target} is no architecture file: {error}") from error
    if Path(target).is_dir():
        file = RunDirectory(Path(target)).model / "model.onnx"
        raise InvalidValue(f"{target} is a folder; name a file in it, such as {file} of a run")
    near = get_close_matches(target, [*spaces.BY_NAME, *zoo.BY_NAME])
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"spaces: {', '.join(spaces.BY_NAME)}; `sculptnet zoo` lists networks"
    )
    raise InvalidValue(f"{target!r} is no space, no zoo name, no architecture file (.json) and no .onnx file; {hint}")


def describe_table(table: LatencyTable) -> str:
    """What people want to know of a table."""
    lines = [f"{table.name}: {len(table.entries_ms)} entries in {table.seconds:.0f} s"]
    if table.held_out is not None:
        lines.append(describe_error(table.held_out))
    return "\n".join([*lines, *(f"Warning: {warning}" for warning in table.warnings())])
