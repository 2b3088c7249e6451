"""The MLflow flavour of a trained model: its native files, no pickle.

`mlflow.pyfunc.load_model("models:/<project>-<question>@champion").predict(frame)` gives
probabilities wherever this package is installed, for rows as `build` makes them.
"""

from importlib.metadata import version
from pathlib import Path
from shutil import copytree
from typing import Any

import mlflow.pyfunc
import pandas as pd
from mlflow.models import Model, ModelSignature

PAYLOAD = "payload"


def save_model(
    path: str, mlflow_model: Model, payload: Path, signature: ModelSignature, **_: Any
) -> None:
    """Write `payload` as an MLflow model; called by `Model.log`, which may pass more."""
    root = Path(path)
    root.mkdir(parents=True)
    copytree(payload, root / PAYLOAD)
    (root / "requirements.txt").write_text(f"lead-scoring=={version('lead-scoring')}\n")
    mlflow_model.signature = signature
    mlflow.pyfunc.add_to_model(mlflow_model, loader_module=__name__, data=PAYLOAD)
    mlflow_model.save(str(root / "MLmodel"))


class _Probabilities:
    def __init__(self, folder: Path) -> None:
        from scoring.train.artefact import fingerprint, read

        self.artefact = read(folder, fingerprint(folder))

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002 - the interface of MLflow
        rows = self.artefact.joined(frame)[list(self.artefact.names)]
        return self.artefact.model.predict_proba(rows)[:, 1]


def _load_pyfunc(path: str) -> _Probabilities:
    return _Probabilities(Path(path))
