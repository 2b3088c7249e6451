"""The model's card: what it is, what it learned from, how good it is where, and what it is not for.

After Mitchell et al. 2019, "Model Cards for Model Reporting". One HTML page without anything from
the network; numbers and names only, no row of data.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from scoring.flag.price import price, promise
from scoring.train.artefact import Artefact
from scoring.train.segments import Segment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BASELINES = {
    "prevalence": "the same probability for all",
    "hand_rule": "hand rule (recency and frequency)",
    "naive_bayes": "naive Bayes as Odoo ships it",
    "logistic": "logistic regression",
}


def card(
    made: Artefact,
    *,
    name: str,
    passed: bool,
    why: str,
    segments: Sequence[Segment],
    leaks: Sequence[Mapping[str, Any]],
    figures: "Mapping[str, Figure]",
) -> str:
    """The page as HTML.

    name       of the registered model
    passed     what the gates said, with its reason in `why`
    segments   measures on parts of the validation rows
    leaks      columns that know the outcome, as `train --json` has them
    figures    file name → picture of the validation
    """
    facts = made.facts
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("scoring.train", ""), autoescape=True, trim_blocks=True
    )
    themes = Counter(c.theme for c in made.features.all if c.name in set(made.names))
    tables = {"this model": facts["validation"]}
    tables |= {BASELINES.get(n, n): m for n, m in facts["baselines"].items() if m}
    return environment.get_template("card.html.j2").render(
        name=name,
        facts=facts,
        question=made.settings.question,
        where=made.settings.population.where,
        protected=made.settings.features.protected,
        allow_protected=made.settings.features.allow_protected,
        features=len(made.names),
        themes=sorted(themes.items()),
        tables=tables,
        segments=segments,
        leaks=leaks,
        flag=made.flag.facts if made.flag else None,
        flag_promise=promise(made.flag.facts) if made.flag else "",
        flag_price=price(made.flag.facts) if made.flag else "",
        passed=passed,
        why=why,
        pictures=[_svg(figure) for figure in figures.values()],
    )


def _svg(figure: "Figure") -> Markup:
    """A figure as an element of the page; the same figure gives the same text."""
    import matplotlib

    text = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "card", "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return Markup(text.getvalue()[text.getvalue().index("<svg") :])
