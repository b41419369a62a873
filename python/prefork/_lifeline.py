"""Ends a helper process of the master's when the master has ended, whatever the operator's code in it is busy with.

A thread of _thread's own: one of threading's would be seen by that code, and by what patches threads.
"""

import _thread
import os
import select
from time import sleep


def hold(fd, over):
    """The master has the other end of the descriptor. When that is closed, and over() then or later, this process ends."""
    _thread.start_new_thread(_watch, (fd, over))


def _watch(fd, over):
    end = select.poll()
    end.register(fd, 0)  # an end is told without being asked for
    end.poll()
    while not over():
        sleep(0.05)
    os._exit(1)
