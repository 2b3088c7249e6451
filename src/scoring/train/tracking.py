"""MLflow: runs, the registered model `<project>-<question>`, and its aliases.

The default is SQLite in the store; MLFLOW_TRACKING_URI or `[tracking] uri` name any server. The
first start of a fresh SQLite store must not happen twice at once: every command that gets here for
writing holds the project's lock. Numbers and names are logged, never a row of data.
"""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoring.errors import ConfigError, NoUsableModel, ScoringError, TryLater
from scoring.project import Project
from scoring.train.artefact import Artefact, fingerprint, read
from scoring.train.moved import follow_the_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

CANDIDATE, CHAMPION = "candidate", "champion"
TAG = "lead_scoring.fingerprint"
# Of a version: whether its gates let it through, and why or why not.
GATES, WHY = "lead_scoring.gates", "lead_scoring.why"
PASSED, REFUSED = "passed", "refused"
# Of the registered model: who was champion since when and why, the newest last.
CHAMPIONS = "lead_scoring.champions"
REMEMBERED, LONGEST_WHY = 12, 200  # MLflow keeps 5,000 characters


@dataclass(frozen=True)
class Registered:
    """A version in the registry, the fingerprint of its files, and what its gates said."""

    version: str
    fingerprint: str
    run_id: str
    passed: bool = False
    why: str = ""


def uri(project: Project) -> str:
    """Where MLflow keeps this project's runs."""
    said = os.environ.get("MLFLOW_TRACKING_URI") or project.settings.tracking.uri
    return said or f"sqlite:///{project.store / 'mlflow.db'}"


def is_local(project: Project) -> bool:
    return uri(project).startswith("sqlite:") and str(project.store) in uri(project)


def model_name(project: Project, question: str) -> str:
    return f"{project.settings.project.name}-{question}"


@contextmanager
def _mlflow(project: Project) -> "Iterator[MlflowClient]":
    """A client, quiet and without telemetry. Its own faults become ours."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # MLflow writes the address into the environment, where the next project would find it.
    address, said = uri(project), os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(address)
    mlflow.set_registry_uri(address)
    try:
        yield mlflow.MlflowClient()
    except MlflowException as error:
        if "unsupported URI" in str(error):
            raise ConfigError(
                "The address of MLflow is of a kind that it does not know.",
                "Correct MLFLOW_TRACKING_URI or `[tracking] uri` in scoring.toml: http://, "
                "https:// or sqlite:///.",
            ) from error
        what = re.sub(r"//[^@/\s]*@", "//", str(error).splitlines()[0])[:200]
        raise TryLater(
            f"MLflow did not answer as it should: {what}",
            "Check MLFLOW_TRACKING_URI and `[tracking] uri` in scoring.toml, then run again.",
        ) from error
    except SQLAlchemyError as error:
        raise ScoringError(
            f"The database of MLflow cannot be read ({type(error).__name__}).",
            "Restore .scoring/mlflow.db from a backup. Without it the models are lost and have to "
            "be trained again.",
        ) from error
    finally:
        if said is None:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        else:
            os.environ["MLFLOW_TRACKING_URI"] = said


def registered(project: Project, question: str, alias: str) -> Registered | None:
    """The version that `alias` points to, or None."""
    if is_local(project) and not (project.store / "mlflow.db").exists():
        return None
    from mlflow.exceptions import MlflowException, RestException

    with _mlflow(project) as client:
        try:
            found = client.get_model_version_by_alias(model_name(project, question), alias)
        except (MlflowException, RestException) as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return _registered(found)


def version(project: Project, question: str, number: str) -> Registered | None:
    """A version by its number, or None."""
    if is_local(project) and not (project.store / "mlflow.db").exists():
        return None
    from mlflow.exceptions import MlflowException

    with _mlflow(project) as client:
        try:
            return _registered(client.get_model_version(model_name(project, question), number))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise


def _registered(found: "ModelVersion") -> Registered:
    tags = found.tags
    return Registered(
        version=str(found.version),
        fingerprint=tags.get(TAG, ""),
        run_id=found.run_id or "",
        passed=tags.get(GATES) == PASSED,
        why=tags.get(WHY, ""),
    )


def champion(project: Project, question: str) -> tuple[Registered, Artefact]:
    """The model that scores. Raises NoUsableModel where there is none or its files are damaged."""
    found = registered(project, question, CHAMPION)
    if found is None:
        raise NoUsableModel(
            f'There is no champion for the question "{question}" yet.',
            "Train one: `scoring run retrain`; a candidate that fails its gates does not count.",
        )
    return found, load(project, question, found.version, found.fingerprint)


def load(project: Project, question: str, version: str, fingerprint: str) -> Artefact:
    """Exactly the model with these files, champion or not; from the registry if the store has
    them no more. Raises NoUsableModel where they are damaged."""
    folder = models_folder(project, question) / fingerprint[:20]
    if not folder.exists():
        _download(project, question, Registered(version, fingerprint, ""), folder)
    return read(folder, fingerprint)


def models_folder(project: Project, question: str) -> Path:
    return project.store / "models" / question


def _download(project: Project, question: str, found: Registered, folder: Path) -> None:
    """Fetch a version's files from the registry; the store keeps them for the next night."""
    import mlflow.artifacts

    from scoring.store.publish import new_folder

    if is_local(project):
        follow_the_folder(project.store / "mlflow.db", project.store / "mlartifacts")
    with _mlflow(project), new_folder(folder, project.tmp) as draft:
        source = f"models:/{model_name(project, question)}/{found.version}"
        try:
            got = Path(mlflow.artifacts.download_artifacts(source, dst_path=str(draft / "mlflow")))
        except OSError:
            raise NoUsableModel(
                f"The files of version {found.version} are neither in the store nor in MLflow.",
                "Restore .scoring from a backup, or train again: `scoring run retrain`.",
            ) from None
        for file in (got / "payload").iterdir():
            file.rename(draft / file.name)
        import shutil

        shutil.rmtree(draft / "mlflow")
        if fingerprint(draft) != found.fingerprint:
            raise NoUsableModel(
                f"The files of version {found.version} do not match the hash in the registry.",
                "They were damaged or replaced: train again.",
            )


def register(
    project: Project,
    question: str,
    folder: Path,
    *,
    run_name: str,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    figures: "Mapping[str, Figure]",
    texts: Mapping[str, Any],
    pages: Mapping[str, str],
    columns: Mapping[str, str],
    passed: bool,
    why: str,
) -> Registered:
    """Log a run with the files in `folder` and register it under the alias `candidate`.

    columns       the model's input columns → `number` or `category`, for the signature
    passed, why   what the gates said
    texts         file name → JSON value; pages: file name → text
    """
    if is_local(project):
        project.store.mkdir(parents=True, exist_ok=True)
        follow_the_folder(project.store / "mlflow.db", project.store / "mlartifacts")
    with _mlflow(project) as client:
        import mlflow
        from mlflow.models import Model, ModelSignature
        from mlflow.types import ColSpec, Schema

        from scoring.train import flavor

        name = model_name(project, question)
        experiment = _experiment(project, client, name)
        _close_orphans(client, experiment)
        signature = ModelSignature(
            inputs=Schema(
                [
                    ColSpec("string" if kind == "category" else "double", column, required=False)
                    for column, kind in columns.items()
                ]
            ),
            outputs=Schema([ColSpec("double")]),
        )
        mark = fingerprint(folder)
        with mlflow.start_run(experiment_id=experiment, run_name=run_name) as run:
            mlflow.log_params(dict(params))
            mlflow.log_metrics(dict(metrics))
            mlflow.set_tag(TAG, mark)
            for file, figure in figures.items():
                mlflow.log_figure(figure, file)
            for file, value in texts.items():
                mlflow.log_dict(value, file)
            for file, page in pages.items():
                mlflow.log_text(page, file)
            info = Model.log(
                artifact_path=None,
                name="model",
                flavor=flavor,
                payload=folder,
                signature=signature,
            )
        if not _exists(client, name):
            client.create_registered_model(name)
        made = client.create_model_version(
            name,
            info.model_uri,
            run.info.run_id,
            tags={TAG: mark, GATES: PASSED if passed else REFUSED, WHY: why},
        )
        client.set_registered_model_alias(name, CANDIDATE, made.version)
        return Registered(str(made.version), mark, run.info.run_id, passed, why)


def set_champion(project: Project, question: str, number: str, why: str, as_of: datetime) -> None:
    """Move the alias, and remember who was champion since when and why."""
    name = model_name(project, question)
    with _mlflow(project) as client:
        past = _champions(client, name)
        if not past or past[-1]["version"] != number:
            past.append({"version": number, "as_of": as_of.isoformat(), "why": why[:LONGEST_WHY]})
        # First the memory: a run that dies in between remembers a change that did not happen,
        # which `champion_before` leaves out.
        client.set_registered_model_tag(name, CHAMPIONS, json.dumps(past[-REMEMBERED:]))
        client.set_model_version_tag(name, number, "lead_scoring.promoted_because", why)
        client.set_registered_model_alias(name, CHAMPION, number)


def champion_before(project: Project, question: str) -> Registered | None:
    """The version that was champion before the present one, or None."""
    standing = registered(project, question, CHAMPION)
    if standing is None:
        return None
    with _mlflow(project) as client:
        past = _champions(client, model_name(project, question))
    before = _until(past, standing.version)[:-1]
    return version(project, question, before[-1]["version"]) if before else None


def roll_back(project: Project, question: str, why: str, as_of: datetime) -> None:
    """The version before is champion again; the present one is forgotten as one, not deleted."""
    name = model_name(project, question)
    standing = registered(project, question, CHAMPION)
    before = champion_before(project, question)
    if standing is None or before is None:
        raise ValueError("There is no champion before the present one.")
    with _mlflow(project) as client:
        past = _until(_champions(client, name), standing.version)[:-1]
        client.set_registered_model_alias(name, CHAMPION, before.version)
        client.set_registered_model_tag(name, CHAMPIONS, json.dumps(past))
        told = f"{as_of.isoformat()}: {why}"
        client.set_model_version_tag(name, standing.version, "lead_scoring.rolled_back", told)


def _champions(client: "MlflowClient", name: str) -> list[dict[str, str]]:
    said = client.get_registered_model(name).tags.get(CHAMPIONS, "[]")
    return [dict(entry) for entry in json.loads(said)]


def _until(past: list[dict[str, str]], number: str) -> list[dict[str, str]]:
    """The memory up to the newest entry of the standing champion; it alone where it is unknown."""
    places = [n for n, entry in enumerate(past) if entry["version"] == number]
    return past[: places[-1] + 1] if places else [*past, {"version": number}]


def _exists(client: "MlflowClient", name: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return True


def _experiment(project: Project, client: "MlflowClient", name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage != "active":
            raise ConfigError(
                f'The MLflow experiment "{name}" was deleted.',
                "Restore it in MLflow, or give the project another name in scoring.toml.",
            )
        return str(found.experiment_id)
    location = (project.store / "mlartifacts").as_uri() if is_local(project) else None
    return str(client.create_experiment(name, artifact_location=location))


def _close_orphans(client: "MlflowClient", experiment: str) -> None:
    """Runs that a killed process left open. We hold the lock, so nobody is in them."""
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        client.set_terminated(run.info.run_id, status="KILLED")
        log.warning("closed the MLflow run of a training that did not end by itself")
