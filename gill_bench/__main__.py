"""`python -m gill_bench` is `gill-bench`."""

import sys

from gill_bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
