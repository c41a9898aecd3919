"""Compiles the hashed locks from setup.cfg with uv: `./run lock [--upgrade]`. ./run installs from them with pip
alone."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETS = {"run": ["build"], "dev": ["build", "dev"], "scanner": ["scanner"], "oidc": ["oidc"]}


def main(options: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # All sets together first, so that no two locks name different versions of a package.
        everything = Path(folder, "all.lock")
        everything.write_text("".join(path.read_text() for path in ROOT.glob("requirements/*.lock")))
        compile_lock(everything, ["--all-extras", *options])
        for name, extras in SETS.items():
            chosen = [f"--extra={extra}" for extra in extras]
            compile_lock(ROOT / "requirements" / f"{name}.lock", ["--constraint", str(everything), *chosen])


def compile_lock(lock: Path, options: list[str]) -> None:
    """Compile a lock for every platform and every Python from 3.11, with hashes and without an index host."""
    fixed = ["--universal", "--generate-hashes", "--python-version=3.11", "--no-annotate", "--no-config", "--quiet"]
    command = ["uv", "pip", "compile", *fixed, "--custom-compile-command=./run lock", *options]
    subprocess.run([Path(sys.executable).with_name("uv"), *command[1:], "-o", lock, "setup.cfg"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
