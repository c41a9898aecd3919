"""What setup.cfg cannot say: a wheel tells which commit it was built from (service/release.py)."""

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
