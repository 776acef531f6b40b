"""`python -m maasnb` is the command `maasnb`."""

import sys

from maasnb.cli import main

sys.exit(main())
