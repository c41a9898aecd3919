"""A projector as a process of its own, for tests that kill it: `python -m tests.views.follow_forever URL`."""

import sys
import threading

from projections.follow import Follower
from tests.views.desk import open_log

if __name__ == "__main__":
    with open_log(sys.argv[1], connections=2) as (log, _):
        Follower(sys.argv[1], log).run(threading.Event())
