"""Puts the project template into the wheel: what `scoring init` writes is what is tested here.

A checkout reads the same files in place (`scoring.init.template`). Everything else that the build
needs is declared in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TEMPLATE = ("scoring.toml", "features", "models", "pipelines", "notebooks")


class BuildWithTemplate(build_py):
    def run(self) -> None:
        super().run()
        root = Path(__file__).resolve().parent
        target = Path(self.build_lib) / "scoring" / "template"
        if self.editable_mode:
            return
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in TEMPLATE:
            source = root / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
                shutil.copytree(source, target / name, ignore=ignored)
            else:
                shutil.copyfile(source, target / name)


setup(cmdclass={"build_py": BuildWithTemplate})
