"""The command ``python -m benchmarks.families``, see :mod:`benchmarks.families.differences`."""

import sys

from benchmarks.families.differences import main

sys.exit(main())
