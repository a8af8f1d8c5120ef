# SPDX-License-Identifier: Apache-2.0
"""Faults at every step of an operation, one run per step.

A step is a pass of a fault point (src/base/fault.h). The plan of each run hits pass N, counted from
the moment the operation begins: the file `trigger` exists from then on. Runs go on until one is not
hit any more, on several daemons at the same time, each with its own small pool that is used again
from run to run; so what one run leaks, it or the next one complains about.
"""
import http.client
import itertools
import os
import threading
import time
import traceback

from lib import kernel
from lib.daemon import Daemon
from lib.leaks import assert_at_rest

SLOW, FAST = "1h", "100ms"
GONE = (http.client.HTTPException, OSError)


class Case:
    """One operation. `prepare` makes what it needs and returns it; `run` does it and fails when it
    fails; `check` looks at the result after a crash and its recovery (`done`: run had returned);
    `repeat` does it again, which must succeed; `clean` removes everything."""
    pool_size = "512M"
    limit = 300             # no more runs than this

    def prepare(self, daemon, number):
        return f"v{number}"

    def run(self, daemon, what):
        raise NotImplementedError

    def check(self, daemon, what, done):
        pass

    def repeat(self, daemon, what):
        self.run(daemon, what)

    def clean(self, daemon, what):
        daemon.rest.remove(what)

    def unrecorded(self, what):
        """Uids that may lie in the pool without a record after a crash."""
        return ()


class Worker:
    """One daemon of a sweep."""

    def __init__(self, case, arm):
        self.case, self.arm = case, arm
        self.daemon = Daemon(pool_size=case.pool_size, docker=False)
        self.trigger = self.daemon.dir + "/trigger"

    def start(self, period, plan=""):
        # a survey corrects descriptions that a crash left behind
        self.daemon.write_config({**self.daemon.config, "reconcile_period": period,
                                  "survey_period": period, "consumer_grace": "1h"})
        self.daemon.start(fault=plan)

    def armed(self, number):
        return self.arm.format(n=number, file=self.trigger) + f";*=log,if={self.trigger}"

    def pull(self):
        with open(self.trigger, "w", encoding="utf-8"):
            pass

    def release(self):
        if os.path.exists(self.trigger):
            os.unlink(self.trigger)

    def last_steps(self):
        return [line.split("fault: ", 1)[1] for line in self.daemon.log_tail().splitlines()
                if "fault: passed" in line or "fault: killed" in line][-6:]

    def run_killed(self, number):
        """One run with a kill; true when it was hit."""
        daemon, case = self.daemon, self.case
        self.start(FAST)
        what = case.prepare(daemon, number)
        assert_at_rest(daemon)
        daemon.stop()
        self.start(SLOW, self.armed(number))
        settle_start(daemon)
        self.pull()
        done = True
        try:
            case.run(daemon, what)
        except GONE:
            done = False
        hit = self.dies(0.05 if done else 5)
        assert done or hit, f"no answer, and doliumd lives:\n{daemon.log_tail()}"
        self.release()
        if hit:
            self.die_again(number)
        else:
            daemon.stop()
        self.start(FAST)
        self.verify(what, done)
        daemon.stop()
        return hit

    def dies(self, seconds):
        end = time.monotonic() + seconds
        while self.daemon.runs() and time.monotonic() < end:
            time.sleep(0.005)
        return not self.daemon.runs()

    def die_again(self, number):
        """A second crash, somewhere in the recovery from the first."""
        daemon = self.daemon
        daemon.write_config({**daemon.config, "reconcile_period": FAST, "survey_period": FAST})
        daemon.start(wait=False, fault=f"*=kill,after={(number * 7) % 40}")
        self.dies(5)
        daemon.kill()

    def verify(self, what, done):
        daemon, case = self.daemon, self.case
        assert_at_rest(daemon, unrecorded=case.unrecorded(what))
        case.check(daemon, what, done)
        case.repeat(daemon, what)
        case.check(daemon, what, True)
        assert_at_rest(daemon)
        case.clean(daemon, what)
        assert_at_rest(daemon)

    def run_failed(self, number):
        """One run with errors; true when it was hit."""
        daemon, case = self.daemon, self.case
        if daemon.runs():
            daemon.stop()
        self.start("200ms", self.armed(number))
        what = case.prepare(daemon, number)
        assert_at_rest(daemon)
        size = os.path.getsize(daemon.log)
        self.pull()
        done = True
        try:
            case.run(daemon, what)
        except AssertionError as error:
            done = False
            assert "fault injected" in str(error), f"not the error that was injected: {error}"
        self.release()
        with open(daemon.log, encoding="utf-8", errors="replace") as log:
            log.seek(size)
            passed = log.read().count("fault: passed")
        self.verify(what, done)
        return not done or passed >= number

    def end(self):
        complaints = self.daemon.destroy()
        kernel.remove_tree(self.daemon.dir)
        return complaints


def settle_start(daemon):
    """Waits until the first pass of the reconciler is over: its log has been quiet for a while."""
    size, quiet = -1, 0
    while quiet < 2:
        time.sleep(0.01)
        now = os.path.getsize(daemon.log)
        quiet, size = (quiet + 1, size) if now == size else (0, now)


def _work(worker, runs, method, failures, hits):
    """Takes numbers until a run is not hit. Daemons live and die with this thread."""
    number = -1
    try:
        for number in runs:
            if failures or number >= worker.case.limit:
                break
            if not method(worker, number):
                break
            hits.append(number)
    except Exception:
        failures.append(f"step {number}, after {worker.last_steps()}:\n{traceback.format_exc()}\n"
                        f"--- log\n{worker.daemon.log_tail()}")
    finally:
        failures += worker.end()


def sweep(case, arm, method, workers=2):
    """Runs `method` (Worker.run_killed or Worker.run_failed) for every step of the case with the
    plan `arm`, in which {n} is the number of the step and {file} the trigger. The number of
    steps."""
    numbers, failures, hits = itertools.count(), [], []
    threads = [threading.Thread(target=_work, args=(Worker(case, arm), numbers, method, failures,
                                                    hits)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, "\n".join(failures)
    return len(hits)
