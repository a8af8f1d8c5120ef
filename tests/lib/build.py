# SPDX-License-Identifier: Apache-2.0
"""Where the built programs are: DOLIUM_BUILD, or build/ in the root of the tree."""
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Build:
    def __init__(self, directory=None):
        self.dir = os.path.abspath(directory or os.environ.get("DOLIUM_BUILD")
                                   or os.path.join(ROOT, "build"))

    def program(self, name):
        for path in (f"src/cmd/{name}/{name}", f"src/cmd/{name}"):
            path = os.path.join(self.dir, path)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
        raise FileNotFoundError(f"{name} is not built in {self.dir}: run ./dev build")

    @property
    def doliumd(self):
        return self.program("doliumd")

    @property
    def dolium(self):
        return self.program("dolium")
