# SPDX-License-Identifier: Apache-2.0
"""The sandbox of a test run: pytest starts itself again inside namespaces of its own.

Everything the tests touch by a fixed path (/run/docker/plugins, Podman's locks) is private there,
mounts and processes cannot outlive the run, and two runs at once do not see each other. Loop
devices are the host's: `leaks` looks for those that are backed by files of this run.
"""
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def enter(config):
    """Replaces this process by a pytest inside the sandbox, unless it is one. Needs root; without
    it the run goes on unprotected, and tests that need root skip."""
    if "DOL_TEST_BASE" in os.environ:
        return
    if os.geteuid() != 0:
        os.environ["DOL_TEST_BASE"] = tempfile.mkdtemp(prefix="dt-", dir="/tmp")
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    os.execvp("unshare", [
        "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
        "--mount-proc", "/bin/bash", os.path.join(HERE, "sandbox.sh"),
        sys.executable, "-m", "pytest", *config.invocation_params.args])


def base():
    """The directory of this run; everything it makes is inside. Short, for unix sockets."""
    return os.environ["DOL_TEST_BASE"]
