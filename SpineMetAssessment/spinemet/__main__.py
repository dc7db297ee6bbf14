"""`python -m spinemet` is the command line."""

import sys

from spinemet.cli import main

if __name__ == "__main__":
    sys.exit(main())
