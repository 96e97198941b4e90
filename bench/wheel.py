"""``make wheel``: the wheel, built with the C extension and without, works in an environment that has nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
WORKS = (
    "from bridge.audio.kernels import choose_kernel; from bridge.audio.prompts import Prompts; import bridge.app; "
    "assert Prompts.load(); print('works with the kernel', choose_kernel().name)"
)


def main() -> int:
    """Build, install, try; 0 where both kinds work."""
    with tempfile.TemporaryDirectory(prefix="callbridge-wheel-") as folder:
        place = Path(folder)
        venv.create(place / "empty", with_pip=True)
        python = str(place / "empty/bin/python")
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        run([*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock")])
        for kernel, environ in (("c", {}), ("numpy", {"CC": "/bin/false"})):  # no compiler: the extension is optional
            wheels = place / kernel
            source = place / f"{kernel}-source"
            run(
                [
                    "sh",
                    "-c",
                    f"mkdir {source} && git -C {ROOT} ls-files -z | tar -C {ROOT} --null -T - -cf - | tar -C {source} -xf -",
                ]
            )
            build = [
                sys.executable,
                "-m",
                "pip",
                "--quiet",
                "wheel",
                "--no-deps",
                "--no-build-isolation",
                "-w",
                str(wheels),
                str(source),
            ]
            run(build, **environ)
            (wheel,) = wheels.iterdir()
            run([*pip, "--no-deps", "--force-reinstall", str(wheel)])
            said = run([python, "-c", WORKS], cwd=place)
            print(f"{wheel.name}: {said.strip()}")
            if kernel not in said:
                print(f"expected the kernel {kernel}", file=sys.stderr)
                return 1
            print(run([str(place / "empty/bin/callbridge"), "--version"], cwd=place).strip())
    return 0


def run(command: list[str], *, cwd: Path | None = None, **environ: str) -> str:
    """Run it; what it printed."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
