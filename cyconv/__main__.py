"""`python -m cyconv`: the command line. Layer of the house: the top."""

import sys

from cyconv.cli import main

if __name__ == "__main__":
    sys.exit(main())
