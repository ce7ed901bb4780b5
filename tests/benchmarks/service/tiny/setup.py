"""The tiny compiled project that the benchmark service is tested on: a sum, a sum on two threads, and the first as a frozen reference."""

from setuptools import Extension, setup

FLAGS = {"work": "-O2", "parallel": "-O2", "reference": "-O2"}


def extension(name):
    """A module of that name."""
    arguments = ["-w", "-fopenmp", f'-DMODULE="{name}"', f"-DINIT=PyInit_{name}", FLAGS[name]]
    return Extension(f"tiny.{name}", [f"tiny/{name}.c"], extra_compile_args=arguments, extra_link_args=["-fopenmp"])


setup(name="tiny", version="1", packages=["tiny"], ext_modules=[extension(name) for name in FLAGS])
