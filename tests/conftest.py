"""Before any test module is imported: idle threads of the tests sleep, since cores may be shared with other work."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
