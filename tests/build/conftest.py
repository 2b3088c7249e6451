from collections.abc import Callable
from pathlib import Path

import pytest
from build_kit import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "project")


@pytest.fixture
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Site]:
    return lambda **settings: Site(tmp_path_factory.mktemp("site") / "project", **settings)
