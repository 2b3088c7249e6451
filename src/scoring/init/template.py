"""Where the project template is: the checkout's own top level, or the copy in the wheel."""

from pathlib import Path

from scoring.errors import ScoringError


def template_root() -> Path:
    """The folder with scoring.toml, features/, models/, pipelines/ and notebooks/.

    A checkout reads its own top level in place; the wheel carries the same folders.
    """
    package = Path(__file__).resolve().parents[1]
    for root in (package / "template", package.parents[1]):
        if (root / "scoring.toml").is_file() and (root / "features").is_dir():
            return root
    raise ScoringError(
        "The project template is not part of this installation.",
        "Install lead-scoring again; the wheel brings it along.",
    )
