#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The format of the C files, the shell scripts, and the spelling of everything. Usage: text.sh
# format|shell|spelling ROOT
set -euo pipefail
self=$(readlink -f "$0")
cd "$2"

files() { find "$@" -not -path '*/__pycache__/*' -type f -print0; }

case $1 in
format) files src bench tests -name '*.[ch]' | xargs -0r clang-format --dry-run -Werror ;;
shell) shellcheck -x dev .ci/run tests/lib/sandbox.sh "$self" ;;
spelling)
        git -c safe.directory='*' ls-files -z -- '*.c' '*.h' '*.py' '*.sh' '*.md' '*.yaml' \
                '*.service*' '*.socket' '*.[1-8]' dev |
                xargs -0r codespell --ignore-words-list="ans,inout,fo,te,ue,sise,hist,want's,nd"
        ;;
esac
