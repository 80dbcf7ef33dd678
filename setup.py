"""What pyproject.toml cannot say: the wheel also holds the examples and the ready DAGs, where Airflow looks for them.

Airflow lists a provider's examples (``[core] load_examples``) from the folder ``example_dags`` of the module that is
named as its distribution.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MODULE = "airflow_provider_adobe_experience_platform"
FOLDERS = {"example_dags": "examples", "dags": "dags"}
"""Folder in the module → folder of the repository. An image that has the DAGs beside it need not give them."""


class BuildWithDags(build_py):
    """Builds the package, and puts the DAG files beside it; who installs it editable has the repository's own."""

    def run(self) -> None:
        """Copy what ``find`` in pyproject.toml does not reach."""
        super().run()
        for source, target in self._files().items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return all that is built."""
        return [*super().get_outputs(include_bytecode), *map(str, self._files().values())]

    def _files(self) -> dict[Path, Path]:
        if self.editable_mode:
            return {}
        into = Path(self.build_lib) / MODULE
        return {
            path: into / name / path.name for name, folder in FOLDERS.items() for path in (ROOT / folder).glob("*.py")
        }


setup(cmdclass={"build_py": BuildWithDags})
