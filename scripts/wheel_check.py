"""Builds the wheel into dist/ and checks it: it holds the package, all of it, and nothing else."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def problems(wheel: Path, source: Path) -> list[str]:
    """What a wheel lacks of a package's folder, and what it has on top.

    Args:
        wheel: The built file.
        source: The folder above the package: src.
    """
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name and ".data/scripts/" not in name}
    wanted = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    missing = [f"{name} is not in the wheel" for name in sorted(wanted - packed)]
    return missing + [f"{name} does not belong in the wheel" for name in sorted(packed - wanted)]


def main() -> None:
    """Build, check, and leave the wheel in dist/."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(ROOT)]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("blemish-*.whl")
        if found := problems(wheel, ROOT / "src"):
            sys.exit("\n".join(found))
        target = ROOT / "dist" / wheel.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(wheel.read_bytes())
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
