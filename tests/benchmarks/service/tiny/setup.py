"""The tiny compiled project that the benchmark service is tested on."""

from setuptools import Extension, setup

FLAGS = ["-O2"]

setup(name="tiny", version="1", packages=["tiny"], ext_modules=[Extension("tiny._work", ["tiny/work.c"], extra_compile_args=FLAGS)])
