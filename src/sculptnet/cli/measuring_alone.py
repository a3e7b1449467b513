"""The verb `measure`: a table of a space, or the time of one network; no run is needed.

It returns what people read and what machines read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from sculptnet import blocks, spaces, zoo
from sculptnet.arch import Architecture, SearchSpace
from sculptnet.cli.bundles import Wish, table_of_bundle, write_bundle
from sculptnet.cli.measure_options import MeasureOptions
from sculptnet.cost import LatencyTable, Precision
from sculptnet.cost.table import THROTTLING_PERCENT
from sculptnet.devices import FileMemo, Model, Quality, measure_table, times
from sculptnet.devices.energy import POWERCAP, open_rapl, power_of
from sculptnet.devices.measure import check_precision, graphs_of, onnx_model
from sculptnet.devices.onnx_files import read_onnx
from sculptnet.devices.opening import REMOTE
from sculptnet.errors import InvalidValue
from sculptnet.files import at_home, read_given, reading, write_json
from sculptnet.listening import Listener
from sculptnet.named import is_part
from sculptnet.rules import raised, require
from sculptnet.runs import RunDirectory
from sculptnet.spaces.named import NamedSpace
from sculptnet.stages.table import describe_error
from sculptnet.tasks.opening import device_of

Result: TypeAlias = tuple[str, Any]
DEFAULT_RESOLUTION, DEFAULT_CLASSES = 224, 1000


def measure_target(
    target: str,
    options: MeasureOptions,
    listener: Listener,
    powercap: Path = POWERCAP,
    problems: Sequence[str] = (),
) -> Result:
    """A latency table, if `target` is a space; one measurement, if it is a zoo name, an architecture file or .onnx.

    While a table is measured, its chunks are kept beside `options.out`; the same call goes on after a kill.

    Args:
        target: a space, a zoo name, an architecture file or an .onnx file.
        options: as on the command line.
        listener: whom to tell.
        powercap: where the counters of energy are.
        problems: what is known to be wrong already.

    Raises:
        InvalidValue: with everything that is wrong with what was asked.
    """
    target = at_home(target)
    is_space = target in spaces.BY_NAME or is_part(target)
    _check(target, is_space, options, problems)
    if not is_space:
        return _measure_network(target, options, listener, powercap)
    resolution = options.resolution or DEFAULT_RESOLUTION
    texts = options.space.settings if options.space else {}
    space = NamedSpace(target, texts)(options.num_classes, resolution)
    if options.bundle is None and options.from_bundle is None:
        return _measure_space(space, options, listener)
    asked = {
        "target": target,
        "resolution": resolution,
        "num_classes": options.num_classes,
        "settings": sorted(f"{name}={text}" for name, text in texts.items()),
    }
    assert isinstance(options.device, str)  # only names are typed
    wish = Wish(space, asked, options.device, options.threads, options.precision, options.seed, Quality())
    if options.bundle is not None:
        return write_bundle(wish, options.bundle, listener)
    assert options.from_bundle is not None
    return _written(table_of_bundle(wish, options.from_bundle, listener), options.out)


def _check(target: str, is_space: bool, options: MeasureOptions, others: Sequence[str]) -> None:
    """Raises `InvalidValue` for options that break rules, contradict each other, or that the target has no use for."""
    problems = [*others, *options.problems()]
    options = options.sound()
    problems += _space_problems(target, options) if is_space else _network_problems(target, options)
    if options.energy and str(options.device).startswith(REMOTE):
        problems.append(f"--energy reads counters of this machine, and {options.device} is another one; measure there")
    require(list(dict.fromkeys(problems)), f"measure {target}")


def _space_problems(target: str, options: MeasureOptions) -> list[str]:
    texts = options.space.settings if options.space else {}
    problems = raised(lambda: NamedSpace(target, texts))
    if options.bundle is None and options.from_bundle is None:  # else the runtime, which is elsewhere
        problems += raised(lambda: check_precision(device_of(options), options.precision))
    if options.bundle is not None and options.from_bundle is not None:
        problems.append("--bundle writes and --from-bundle reads; give one of them")
    if options.bundle is not None and options.out is not None:
        problems.append("--out is for the table; give it with --from-bundle, later")
    if options.energy:
        problems.append("--energy is for one network, not for a space")
    return problems


def _network_problems(target: str, options: MeasureOptions) -> list[str]:
    problems = raised(lambda: check_precision(device_of(options), options.precision))
    if Path(target).suffix != ".onnx":
        problems += raised(lambda: find_architecture(target))
    if options.bundle is not None or options.from_bundle is not None:
        problems.append("--bundle and --from-bundle are for tables; name a space")
    if options.space:
        problems.append("--set: the network is given; only spaces have settings")
    if options.num_classes != DEFAULT_CLASSES:
        problems.append(f"--num-classes {options.num_classes}: the network is given, and so are its classes")
    if Path(target).suffix == ".onnx" and options.precision is not Precision.FP32:
        problems.append(f"--precision {options.precision.value}: an .onnx file is measured as it is")
    return problems


def _measure_space(space: SearchSpace, options: MeasureOptions, listener: Listener) -> Result:
    out, device = options.out, device_of(options)
    memo = None if out is None else FileMemo(out.with_name(f"{out.name}.measurements.jsonl"))
    table = measure_table(
        space, device, seed=options.seed, precision=options.precision, memo=memo, progress=listener.progress
    )
    result = _written(table, out)
    if memo is not None:
        memo.path.unlink(missing_ok=True)
    return result


def _written(table: LatencyTable, out: Path | None) -> Result:
    if out is not None:
        write_json(out, table.to_json())
    return describe_table(table), table.to_json()


def _measure_network(target: str, options: MeasureOptions, listener: Listener, powercap: Path) -> Result:
    rapl = open_rapl(powercap) if options.energy else None  # before minutes are spent
    opened, precision, out = device_of(options), options.precision, options.out
    check_precision(opened, precision)
    model = _model(target, precision, options.resolution)
    timing = times({target: model}, opened, progress=listener.progress)[target]
    document = {"target": target, "device": opened.name, "precision": precision.value, **asdict(timing)}
    lines = [
        f"{target} on {opened.name}: {timing.median_ms:.3f} ms "
        f"(95 % interval {timing.low_ms:.3f} to {timing.high_ms:.3f}, noise {timing.noise_percent:.1f} %)"
    ]
    if timing.slowdown_percent > THROTTLING_PERCENT:
        lines.append(f"Warning: throttling: the device became {timing.slowdown_percent:.0f} % slower meanwhile")
    if rapl is not None:
        power = power_of(target, model, opened, rapl, progress=listener.progress)
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
            return blocks.read_architecture(data)
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
