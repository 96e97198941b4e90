"""The optional C extension: sound conversion, built where a compiler is there. Without it numpy does the same work."""

from pathlib import Path

from setuptools import Extension, setup

SOURCE = Path("bridge/audio/_kernel.c")

setup(
    ext_modules=[Extension("bridge.audio._kernel", [str(SOURCE)], optional=True, extra_compile_args=["-O3"])]
    if SOURCE.exists()
    else []
)
