"""Writes the commit that a wheel was built from into it (service/release.py), which setup.cfg cannot do."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).parent))


class WithCommit(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            from service.release import release_commit

            Path(self.build_lib, "service", "commit.txt").write_text(f"{release_commit()}\n", encoding="ascii")


setup(cmdclass={"build_py": WithCommit})
