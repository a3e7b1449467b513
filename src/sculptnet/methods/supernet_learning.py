"""A supernet trained on a run's images, sampled accuracies of its networks, and the predictor that learns from them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from sculptnet.arch import Recipe, SearchSpace, to_json
from sculptnet.data import Split, subset
from sculptnet.errors import InvalidSpace, InvalidValue, RunError
from sculptnet.evaluate import FromSupernet
from sculptnet.evaluate.prepared import PreparedImages
from sculptnet.files import reading
from sculptnet.job import FitJob
from sculptnet.learn import (
    AccuracyPredictor,
    BatchSource,
    Phase,
    accuracy_of,
    fit_accuracy_predictor,
    rescaled,
    shrink,
)
from sculptnet.learn.accuracy_predictor import FEWEST, PredictionError
from sculptnet.methods.shrinking import ShortEpochs, Shrinking, phases_of, shortened
from sculptnet.methods.supernet_plan import PAPER_IMAGES, SupernetPlan, steps_of
from sculptnet.nets import ElasticSupernet, Network, initialise
from sculptnet.records import Event, Sample
from sculptnet.records.training_events import AccuracyPredictorChecked
from sculptnet.runs import FileCheckpoint, append_record, read_records
from sculptnet.search import Objective, Problem, RandomSearch, TrialRecord, run
from sculptnet.stages.batches import training_batches
from sculptnet.streams import stream_seed
from sculptnet.zoo.starting import parse_start

KIND = "elastic supernet"
FINE_TUNING_SHARE = 0.1  # of the learning rate from scratch


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained supernet.

    Attributes:
        judge: says how accurate its networks are on all images that are held out of its training, and cuts them out.
        predictor: says it of all networks at once.
    """

    judge: FromSupernet
    predictor: AccuracyPredictor


def phases_for(job: FitJob, shrinking: Shrinking) -> tuple[Phase, ...]:
    """The phases with their published epochs."""
    return phases_of(job.space, shrinking.schedule, supernet_recipe(job))


def supernet_recipe(job: FitJob) -> Recipe:
    """The recipe of the supernet: the run's, without mixup, since soft labels are of the images as they are.

    Weights that are trained already take a tenth of the learning rate.
    """
    recipe = job.recipe()
    plain = replace(recipe, augmentation=replace(recipe.augmentation, mixup=0.0))
    if job.options.start is None:
        return plain
    rate = recipe.optimizer.learning_rate * FINE_TUNING_SHARE
    return replace(plain, optimizer=replace(recipe.optimizer, learning_rate=rate))


def fine_tuning(recipe: Recipe, epochs: int) -> Recipe:
    """How a network is trained on after it was cut out: for `epochs`, with a tenth of the learning rate."""
    rate = recipe.optimizer.learning_rate * FINE_TUNING_SHARE
    return rescaled(replace(recipe, optimizer=replace(recipe.optimizer, learning_rate=rate)), epochs)


def check_space(job: FitJob, shrinking: Shrinking) -> None:
    """Whether a supernet can hold the space, and whether there are images to recalibrate with.

    Said before anything is measured.

    Raises:
        InvalidSpace: it cannot, or has too few networks to learn from.
        InvalidValue: there are too few images, or the weights to start from are absent or another network's.
    """
    try:
        with torch.device("meta"):
            supernet = ElasticSupernet(job.space)
    except InvalidSpace as error:
        raise InvalidSpace(
            f"method {job.method.name} cuts networks out of one set of weights, so all that is open must be "
            f"sizes, as in space ofa_mobilenet_v3\n{error}"
        ) from error
    if (count := job.space.size()) < FEWEST:
        raise InvalidSpace(
            f"method {job.method.name} learns accuracies from at least {FEWEST} different networks, and this space has "
            f"{count}; open more, or take method random, which can try them all"
        )
    weights_part, held_out = job.search_parts()
    judge_of(job, supernet, wanted_images(shrinking, weights_part), held_out)
    if job.options.start is not None and job.run.supernet.load() is None:
        new_supernet(job)


def learned(job: FitJob, shrinking: Shrinking, plan: SupernetPlan) -> Learned:
    """Trains the supernet, samples it, fits the predictor; what earlier calls finished is read, not done again."""
    if job.run.supernet.load() is None:
        _train(job, shrinking, plan)
    return load_learned(job, job, shrinking, plan)


def load_learned(job: FitJob, trained: FitJob, shrinking: Shrinking, plan: SupernetPlan) -> Learned:
    """What a run learned, for use in a job whose data and space are the same.

    Args:
        job: where it is used.
        trained: the run that has the supernet; samples that it lacks are added there.
        shrinking: how that run trained it.
        plan: that run's.

    Raises:
        RunError: it has no supernet.
        InvalidValue: the supernet is of another space, or the samples are of another supernet.
    """
    supernet, source = load_supernet(trained.run.supernet, job.space)
    supernet.to(job.accelerator)
    weights_part, held_out = job.search_parts()
    judge = judge_of(job, supernet, wanted_images(shrinking, weights_part), held_out)
    records = _samples(trained, judge, plan, source)
    predictor = fit_accuracy_predictor(
        job.space,
        [record.choices for record in records],
        [record.metrics["top1"] for record in records],
        source=source,
        seed=stream_seed(trained.options.seed, "accuracy predictor"),
    )
    job.say(f"Accuracy predictor: {predictor.error}")
    _log_once(trained, checked(predictor.error))
    return Learned(judge, predictor)


def checked(error: PredictionError) -> AccuracyPredictorChecked:
    """What a run logs of a predictor's error."""
    return AccuracyPredictorChecked(
        learned=error.learned,
        held_out=error.held_out,
        rmse_points=_known(error.rmse_points),
        kendall=_known(error.kendall),
        spearman=_known(error.spearman),
        pairs=error.pairs,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _log_once(job: FitJob, event: Event) -> None:
    """Logs what every call finds out anew, unless an earlier one did."""
    if not any(replace(one, time=None) == event for one in job.events()):
        job.log(event)


def wanted_images(shrinking: Shrinking, weights_part: Split) -> int:
    """How many images the batch-norm statistics of finalists and of what is shipped are made from."""
    return shrinking.calibration_images or min(PAPER_IMAGES, len(weights_part))


def judge_of(job: FitJob, supernet: ElasticSupernet, calibration_images: int, held_out: Split) -> FromSupernet:
    """Judges networks of `supernet` by `held_out`, with statistics from that many of the images it was trained on."""
    weights_part, _ = job.search_parts()
    return FromSupernet(
        supernet,
        weights_part,
        held_out,
        job.preprocessing,
        stream_seed(job.options.seed, "calibration"),
        calibration_images,
        num_workers=job.num_workers(),
        accelerator=job.accelerator,
    )


def new_supernet(job: FitJob) -> ElasticSupernet:
    """The supernet as its training starts: drawn, or with the weights of the network that its space is around.

    Raises:
        InvalidValue: there are no such weights.
    """
    supernet, seed = ElasticSupernet(job.space), stream_seed(job.options.seed, "weights/supernet")
    initialise(supernet, seed)
    if job.options.start is not None:
        start = parse_start(job.options.start)
        supernet.load_full(start.network(supernet.full, seed))
    return supernet


def _train(job: FitJob, shrinking: Shrinking, plan: SupernetPlan) -> None:
    supernet = new_supernet(job)
    weights_part, held_out = job.search_parts()
    watched = PreparedImages(subset(held_out, plan.held_out_images, job.options.seed))

    def evaluate(network: Network) -> Mapping[str, float]:
        here = job.at(network.architecture.resolution)
        batches = here.in_order(watched.at(here.preprocessing))
        return {"top1": accuracy_of(network, batches, network.architecture.num_classes, job.accelerator).top1}

    shrunk = shrink(
        supernet,
        shortened(phases_for(job, shrinking), plan.epochs),
        supernet_batches(job, weights_part, plan),
        evaluate=evaluate,
        seed=stream_seed(job.options.seed, "supernet"),
        calibration_images=plan.calibration_images,
        checkpoint=job.run.checkpoint("supernet"),
        clock=job.clock,
        log=job.log,
        progress=job.listener.progress,
        accelerator=job.accelerator,
    )
    for phase in shrunk.phases:
        shown = ", ".join(f"{found.network} {found.metrics['top1']:.1%}" for found in phase.networks)
        job.say(f"Supernet after {phase.phase}, on held-out training images: {shown}")
    save_supernet(job.run.supernet, supernet)


def supernet_batches(job: FitJob, split: Split, plan: SupernetPlan) -> BatchSource:
    """Augmented batches in epochs as long as the plan has them."""
    batches = training_batches(job, split, supernet_recipe(job))
    return batches if plan.images >= len(split) else ShortEpochs(batches, steps_of(plan.images, batches.batch_size))


def read_samples(path: Path, source: str, warn: Callable[[str], None]) -> list[Sample]:
    """The samples that a file holds, of the supernet whose weights have the fingerprint `source`.

    Raises:
        InvalidValue: they are of another supernet.
    """
    samples = read_records(path, Sample, warn)
    others = [sample.source for sample in samples if sample.source != source]
    if others:
        raise InvalidValue(
            f"{path} holds {len(others)} accuracies of another supernet (weights {others[0]}, here {source}); put that "
            "file beside the supernet that it belongs to, or remove it: its networks are then sampled anew"
        )
    return samples


def _samples(job: FitJob, judge: FromSupernet, plan: SupernetPlan, source: str) -> tuple[TrialRecord, ...]:
    """Random networks of the whole space with their accuracies; those that a run has already are read."""
    known = read_samples(job.run.samples, source, job.say)
    if len(known) < plan.samples:
        job.say(f"Sampling the accuracies of {plan.samples} networks of the supernet")
    watched = subset(judge.held_out, min(plan.held_out_images, len(judge.held_out)), job.options.seed)
    problem = Problem(job.space, (Objective("top1"),))
    return run(
        RandomSearch().search(problem, stream_seed(job.options.seed, "samples")),
        problem,
        judge_of(job, judge.supernet, plan.calibration_images, watched),
        plan.samples,
        known=known,
        log=lambda record: append_record(job.run.samples, Sample.of(record, source)),
        progress=lambda what, done, total: job.listener.progress(f"sampling: {what}", done, total),
    )


def save_supernet(checkpoint: FileCheckpoint, supernet: ElasticSupernet) -> None:
    """Keeps the weights, with the space that they belong to."""
    tensors = {name: tensor.cpu() for name, tensor in supernet.state_dict().items()}
    checkpoint.save(tensors, {"kind": KIND, "source": fingerprint(tensors), **_identity(supernet.space)})


def load_supernet(checkpoint: FileCheckpoint, space: SearchSpace) -> tuple[ElasticSupernet, str]:
    """The supernet that was saved, on the CPU in eval mode, and the fingerprint of its weights.

    Raises:
        RunError: none was.
        InvalidValue: it is of another space; the message names the first decision that differs.
    """
    saved = checkpoint.load()
    if saved is None or saved[1].get("kind") != KIND:
        raise RunError(f"{checkpoint.folder} holds no supernet; `fit(DATA, latency_ms=X, method='ofa')` trains one")
    tensors, state = saved
    here = _identity(space)
    if (there := {name: state.get(name) for name in here}) != here:
        raise InvalidValue(
            f"{checkpoint.folder} holds the supernet of another space: {_difference(there, here)}; use the space and "
            "the settings that it was trained with, or train another (`fresh=True`)"
        )
    supernet = ElasticSupernet(space)
    with reading(checkpoint.folder, "the supernet as it was written"):
        supernet.load_state_dict(tensors)
    return supernet.eval(), str(state["source"])


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """A short hash of weights."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _identity(space: SearchSpace) -> dict[str, object]:
    decisions = {path: repr(node) for path, node in space.decisions.items()}
    return {"decisions": decisions, "architecture": to_json(space.architecture)}


def _difference(there: Mapping[str, object], here: Mapping[str, object]) -> str:
    saved, wanted = there["decisions"], here["decisions"]
    if not isinstance(saved, dict) or not isinstance(wanted, dict) or saved == wanted:
        return "what is decided in it differs"
    path = next(path for path in {**saved, **wanted} if saved.get(path) != wanted.get(path))
    return f"{path} is {saved.get(path, 'absent')} there and {wanted.get(path, 'absent')} here"
