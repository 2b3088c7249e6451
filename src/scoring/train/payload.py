"""A model's native files: `model.json`, `lightgbm.txt` and `hashes.json`; no pickle, no code.

The bytes depend on the model only: keys are sorted, floats are written so that they read back
exactly, and nothing names a machine, a folder or a time.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from scoring.errors import NoUsableModel

FORMAT_VERSION = 1

MODEL, TREES, HASHES = "model.json", "lightgbm.txt", "hashes.json"


def write(directory: Path, state: dict[str, Any], trees: str) -> dict[str, str]:
    """Write the three files into `directory` (made if absent); returns SHA-256 by file name.

    `state` must be JSON without NaN; `trees` is LightGBM's model text. The caller publishes the
    directory: writing is not atomic across the files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    contents = {
        MODEL: _json({"format_version": FORMAT_VERSION, **state}),
        TREES: trees.encode(),
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    for name, content in {**contents, HASHES: _json(hashes)}.items():
        (directory / name).write_bytes(content)
    return hashes


def read(directory: Path) -> tuple[dict[str, Any], str]:
    """State and LightGBM text from `directory`, hashes and format version checked before use.

    Raises NoUsableModel if a file is absent, differs from its recorded hash, or has another format.
    """
    recorded = _parse(HASHES, _bytes(directory, HASHES))
    contents = {}
    for name in (MODEL, TREES):
        contents[name] = _bytes(directory, name)
        actual = hashlib.sha256(contents[name]).hexdigest()
        if actual != recorded.get(name):
            raise NoUsableModel(
                f"Model file {name} does not match its recorded hash: recorded "
                f"{str(recorded.get(name))[:12]}, found {actual[:12]}.",
                hint="Restore the store from a backup, or train again.",
            )
    state = _parse(MODEL, contents[MODEL])
    version = state.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise NoUsableModel(
            f"Model format {version!r} cannot be read: this release reads format {FORMAT_VERSION}.",
            hint="Train again, or use the release that wrote the model.",
        )
    return state, contents[TREES].decode()


def _json(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    return (text + "\n").encode()


def _bytes(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except FileNotFoundError:
        raise NoUsableModel(
            f"Model file {name} is missing in {directory}.",
            hint="Restore the model's folder, or train again.",
        ) from None


def _parse(name: str, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NoUsableModel(
            f"Model file {name} is not a JSON object.", hint="Restore the file, or train again."
        )
    return value
