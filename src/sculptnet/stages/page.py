"""The page of a run, derived from what is in its directory."""

from __future__ import annotations

from pathlib import Path

from sculptnet.arch import Architecture, SearchSpace, recipe_from_json
from sculptnet.cost import LatencyTable
from sculptnet.files import read_json
from sculptnet.job import ImageJob
from sculptnet.options import VERBS
from sculptnet.plain import command_line
from sculptnet.records.card import ClassifierCard
from sculptnet.report import ReportData, write_report
from sculptnet.stages.working_time import worked_s


def write_run_report(
    job: ImageJob, architecture: Architecture, card: ClassifierCard, table: LatencyTable | None
) -> Path:
    """Writes `report.html` and `figures/` into the run directory; runs that do not search have no table."""
    run, info = job.run, job.run.info()
    events, longer = job.events(), job.method.longer_epochs(job)
    source = ReportData(
        title=run.folder.name,
        command=command_line(info.verb, VERBS[info.verb], info.command),
        events=events,
        trials=[one for one in run.trials(job.say) if longer is None or one.epochs != longer],
        card=card,
        table=table,
        architecture=architecture,
        space=job.subject if isinstance(job.subject, SearchSpace) else None,
        recipe=recipe_from_json(read_json(run.model / "recipe.json")),
        given=card.network,
        seconds=worked_s(events, job.elapsed_s()),
    )
    return write_report(source, job.method.sections(source), run.folder)
