"""Tonight's open leads: what a new model's scores are a percentile of, and what its flag costs."""

from dataclasses import replace
from datetime import datetime

from scoring.build.run import build_scoring
from scoring.check.tables import Tables
from scoring.flag.run import priced
from scoring.project import Project
from scoring.score import scale
from scoring.score.facts import with_facts
from scoring.train.artefact import Artefact, quantiles
from scoring.train.groups import Validated, with_groups

SMALLEST_REFERENCE = 200


def with_tonight(
    project: Project, question: str, made: Artefact, validated: Validated, as_of: datetime
) -> Artefact:
    """The model with the reference population and the flag's price of tonight's open leads, and the
    cuts of the score that the tested rows give.

    Where they are fewer than SMALLEST_REFERENCE the reference stays what it was.
    """
    kinds = Tables.open(project).manifest["kinds"]
    features = with_facts(made.scoring_features, kinds)
    built = build_scoring(project, question, made.settings, features, as_of)
    if not built.rows:
        return with_groups(made, validated)
    rows = built.frame()
    probability = made.model.predict_proba(made.joined(rows)[list(made.names)])[:, 1]
    if built.rows >= SMALLEST_REFERENCE:
        made = replace(made, reference=quantiles(probability))
    made = with_groups(made, validated)
    if made.flag is None:
        return made
    judged = made.flag.judged(rows, any(kind["direction"] for kind in kinds))
    grades = made.cuts.grade(scale.score(probability, made.reference))
    return replace(made, flag=priced(made.flag, judged.rows["_flag_opens"].to_numpy(), grades))
