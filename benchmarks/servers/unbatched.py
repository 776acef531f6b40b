"""maasnb's own server without its queue: every run is done at once, on the event loop."""

import sys

from maasnb import cli
from maasnb.serve import batching

if __name__ == "__main__":
    batching.DIRECT_S = 1e6
    sys.exit(cli.main(["serve", *sys.argv[1:]]))
