# SPDX-License-Identifier: Apache-2.0
"""Waiting for something to become true."""
import os
import time

# Sanitizers and valgrind make everything slower; ./dev says by how much.
SLOWNESS = float(os.environ.get("DOL_TEST_SLOWNESS", "1"))


def until(question, seconds=10, what=None, every=0.02):
    """Calls `question` until it answers something true, and returns that. AssertionError after
    `seconds`, naming `what`."""
    end = time.monotonic() + seconds * SLOWNESS
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"still not true after {seconds} s: {what or question.__name__}")
        time.sleep(every)
