"""Builds the compiled parts: C micro-kernels once per instruction set, Cython drivers and plan around them.

Everything lands in ``cyconv/_kernels/``. The micro-kernel objects are linked into one extension, ``cyconv._kernels.cpu``, which hands
their tables to the other modules. Generated C and objects stay in ``build/``. ``CYCONV_DEBUG=1`` builds with bounds checks and symbols.
All else about the package stands in ``pyproject.toml``.
"""

import os
import platform
import shutil
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CompileError, LinkError
from setuptools.modified import newer_group

DEBUG = os.environ.get("CYCONV_DEBUG", "0") not in ("", "0")
ABI3 = not sysconfig.get_config_var("Py_GIL_DISABLED")  # free-threaded Python has no stable ABI
X86 = platform.machine().lower() in ("x86_64", "amd64")
GENERATED = Path("build/cython")
RECIPE = Path("build/flags.txt")
JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

# A floor and a ceiling for each instruction set: no object may hold instructions of a larger one.
ISA_FLAGS = {"baseline": []}
if X86:
    ISA_FLAGS["avx2"] = ["-mavx2", "-mfma", "-mno-avx512f"]
    ISA_FLAGS["avx512"] = ["-march=x86-64-v4", "-mprefer-vector-width=512"]
    ISA_FLAGS["amx"] = [*ISA_FLAGS["avx512"], "-mamx-tile", "-mamx-bf16"]

# -ffast-math is never used: GCC 12 would then flip the denormal mode of the whole process at import.
# Link-time optimisation would merge code across instruction sets.
COMMON_FLAGS = [
    "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-fno-lto", "-fvisibility=hidden",
    "-Werror=implicit-function-declaration", f"-ffile-prefix-map={os.getcwd()}=.",
]  # fmt: skip
# Predictive commoning spills accumulators in the first-layer kernel.
KERNEL_FLAGS = ["-O2", "-fno-wrapv", "-Wall", "-Wextra", "-fno-predictive-commoning", *COMMON_FLAGS]
CYTHON_FLAGS = ["-Og", "-g", "-UNDEBUG"] if DEBUG else ["-O2"]
LINK_FLAGS = ["-fopenmp"]
if sys.platform == "linux":
    LINK_FLAGS += ["-Wl,--as-needed"] if DEBUG else ["-Wl,--as-needed", "-s"]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "freethreading_compatible": False,
}

INSTALL_HELP = """
cyconv needs a C compiler with OpenMP (GCC 11 or newer) and the headers of this Python:
    Debian, Ubuntu:  apt install gcc python3-dev
    Fedora, RHEL:    dnf install gcc libgomp python3-devel
    macOS:           brew install gcc      and build with  CC=gcc-14
CC chooses the compiler.
"""

PROBES = [
    ("the C compiler does not build a small program", "int main(void) { return 0; }", []),
    ("the headers of this Python were not found", "#include <Python.h>\nint main(void) { return 0; }", []),
    (
        "the C compiler has no OpenMP",
        "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }",
        ["-fopenmp"],
    ),
    *(
        (f"the C compiler does not know the flags for {isa}: {' '.join(flags)}", "int main(void) { return 0; }", flags)
        for isa, flags in ISA_FLAGS.items()
    ),
]


def sources(*patterns):
    """The files that match, as sorted strings."""
    return sorted(str(path) for pattern in patterns for path in Path().glob(pattern))


def extensions():
    """One extension per Cython file; its name is the file's stem."""
    headers = sources("src/microkernels/*.h", "src/drivers/*.h", "src/plan/*.h")
    return [
        Extension(
            f"cyconv._kernels.{Path(pyx).stem}",
            [pyx],
            include_dirs=["src/microkernels", "src/drivers", "src/plan"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if ABI3 else [],
            py_limited_api=ABI3,
            extra_compile_args=[*CYTHON_FLAGS, *COMMON_FLAGS, "-fopenmp"],
            extra_link_args=LINK_FLAGS,
            depends=headers,
        )
        for pyx in sources("src/drivers/*.pyx", "src/plan/*.pyx")
    ]


class BuildExt(build_ext):
    """Probe the compiler, run Cython, compile the micro-kernels, then build the extensions."""

    def build_extensions(self):
        # An absolute path of the Python that builds has no place in a module; the stable ABI does not link libpython.
        self.compiler.linker_so = [word for word in self.compiler.linker_so if not word.startswith("-Wl,-rpath")]
        self.parallel = self.parallel or JOBS
        self.probe()
        self.drop_stale()
        self.run_cython()
        objects = self.compile_kernels()
        for ext in self.extensions:
            if ext.name == "cyconv._kernels.cpu":
                ext.extra_objects += objects
                ext.depends += objects
        super().build_extensions()

    def drop_stale(self):
        """Start anew when flags or directives changed, which time stamps do not show."""
        recipe = repr((self.compiler.compiler_so, KERNEL_FLAGS, ISA_FLAGS, CYTHON_FLAGS, LINK_FLAGS, DIRECTIVES, ABI3))
        if not RECIPE.exists() or RECIPE.read_text() != recipe:
            shutil.rmtree(self.build_temp, ignore_errors=True)
            shutil.rmtree(GENERATED, ignore_errors=True)
        RECIPE.parent.mkdir(exist_ok=True)
        RECIPE.write_text(recipe)

    def probe(self):
        """Compile and link small programs; stop with advice when one fails."""
        for complaint, program, flags in PROBES:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "probe.c")
                path.write_text(program)
                try:
                    objects = self.compiler.compile([str(path)], output_dir="/", extra_postargs=flags)
                    self.compiler.link_executable(objects, str(Path(folder, "probe")), extra_postargs=flags)
                except (CompileError, LinkError) as error:
                    raise BaseError(f"{complaint} ({error})\n{INSTALL_HELP}") from None

    def run_cython(self):
        """Turn each .pyx into C under build/."""
        try:
            from Cython.Build import cythonize
            from Cython.Compiler.Errors import CompileError as CythonError
        except ImportError:
            raise BaseError("cyconv needs Cython 3.1 or newer to build: pip install 'Cython>=3.1'") from None
        copies = [Extension(ext.name, list(ext.sources), depends=list(ext.depends)) for ext in self.extensions]
        try:
            modules = cythonize(
                copies,
                include_path=["."],
                build_dir=str(GENERATED),
                compiler_directives=DIRECTIVES,
                nthreads=JOBS,
                force=self.force,
            )
        except CythonError as error:
            raise BaseError(f"Cython does not accept {error}; its messages stand above") from None
        translated = {module.name: module for module in modules}
        for ext in self.extensions:
            ext.sources = translated[ext.name].sources
            ext.depends = sorted({*ext.depends, *translated[ext.name].depends})

    def compile_kernels(self):
        """Compile each stale instruction-set file with its own flags; the objects' paths."""
        includes = sources("src/microkernels/*.h", "src/microkernels/*.inc")
        jobs = []
        objects = []
        for isa, flags in ISA_FLAGS.items():
            source = f"src/microkernels/isa_{isa}.c"
            (target,) = self.compiler.object_filenames([source], output_dir=self.build_temp)
            objects.append(target)
            if self.force or newer_group([source, *includes], target):
                jobs.append((source, flags))

        def compile_one(job):
            source, flags = job
            self.compiler.compile(
                [source], output_dir=self.build_temp, include_dirs=["src/microkernels"], extra_postargs=[*KERNEL_FLAGS, *flags]
            )

        with ThreadPoolExecutor(JOBS) as pool:
            list(pool.map(compile_one, reversed(jobs)))  # the largest instruction set takes longest: first
        return objects


if __name__ == "__main__":
    setup(
        ext_modules=extensions(),
        cmdclass={"build_ext": BuildExt},
        options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
    )
