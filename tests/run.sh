# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ./dev test and the sanitizers: runs the suites and reports. Read by ./dev.

# The tests see mounts, processes and /run of their own; see tests/lib/sandbox.sh.
sandboxed() {
        if [ "$(id -u)" = 0 ]; then
                unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
                        bash tests/lib/sandbox.sh "$@"
        else
                "$@"
        fi
}

# What stands before a test command: set for the sanitizers.
RUNNER=()

# Tests of meson's that are left out, as a regular expression of their names.
EXCEPT=

# meson_suite LABEL BUILD SUITE [OPTION...]: runs meson's tests of one suite; the log in which
# tests/lib/report.py counts goes to the results.
meson_suite() {
        local label=$1 directory=$2 suite=$3 tests=() status=0
        shift 3
        if [ -n "$KEY$EXCEPT" ]; then
                mapfile -t tests < <(meson test -C "$directory" --suite "$suite" --list 2>/dev/null |
                        sed -n 's|^.* / ||p' | grep -e "$KEY" | grep -vxE "${EXCEPT:-.{0}}")
                [ ${#tests[@]} -gt 0 ] || return 0
        fi
        sandboxed "${RUNNER[@]}" meson test -C "$directory" --suite "$suite" --no-rebuild \
                --print-errorlogs --logbase "log-$label" "$@" "${tests[@]}" || status=$?
        # With --wrap the wrapper's name follows.
        mv "$directory/meson-logs/log-$label"*.json "$RESULTS/$label.json"
        return $status
}

# pytest_suite LABEL BUILD DIRECTORY
pytest_suite() {
        local label=$1 directory=$2 suite=$3 chosen=() status=0
        [ -z "$KEY" ] || chosen=(-k "$KEY")
        [ ${#RUNNER[@]} = 0 ] || chosen+=(-m "not measures")
        DOLIUM_BUILD=$directory "${RUNNER[@]}" "$PYTHON" -m pytest "tests/$suite" \
                -c tests/pytest.ini -q --durations=5 --junitxml="$RESULTS/$label.xml" \
                "${chosen[@]}" || status=$?
        [ $status != 5 ] || [ -z "$KEY" ] || status=0 # nothing has that name here
        return $status
}

# each_suite LABEL BUILD SUITE...: several suites on one build; the label goes before their names.
each_suite() {
        local label=$1 directory=$2 suite status=0
        shift 2
        for suite in "$@"; do
                case $suite in
                cli | api | csi | e2e | crash) pytest_suite "$label$suite" "$directory" "$suite" ;;
                lint | unit | root | fuzz) meson_suite "$label$suite" "$directory" "$suite" "${MESON_OPTIONS[@]}" ;;
                *) die "there is no suite '$suite'" ;;
                esac || status=1
        done
        return $status
}
MESON_OPTIONS=()

# GLib's own allocator would hide errors from one sanitizer and look like races to the other.
# Without address space randomisation the sanitizers of Debian 12 start on every kernel.
asan_suites() {
        build_sanitizer asan address,undefined
        [ $# -gt 0 ] || set -- unit root fuzz api csi e2e
        export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
        export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 G_SLICE=always-malloc DOL_TEST_SLOWNESS=4
        RUNNER=(setarch --addr-no-randomize)
        MESON_OPTIONS=(-t 5)
        each_suite asan- "$BUILD-asan" "$@"
}

tsan_suites() {
        build_sanitizer tsan thread
        [ $# -gt 0 ] || set -- unit root fuzz api
        export TSAN_OPTIONS=exitcode=66:second_deadlock_stack=1:suppressions=$ROOT/tests/sanitizers/tsan.supp
        export G_SLICE=always-malloc DOL_TEST_SLOWNESS=6
        RUNNER=(setarch --addr-no-randomize)
        MESON_OPTIONS=(-t 10)
        each_suite tsan- "$BUILD-tsan" "$@"
}

valgrind_suites() {
        [ $# -gt 0 ] || set -- unit
        export DOL_TEST_SLOWNESS=20
        EXCEPT=driver-tree # valgrind 3.19 does not know openat2, without which no tree is removed
        MESON_OPTIONS=(-t 30 --wrap "valgrind -q --error-exitcode=99 --leak-check=full
                --errors-for-leak-kinds=definite --show-leak-kinds=definite --num-callers=30")
        each_suite valgrind- "$BUILD" "$@"
}

run_suite() {
        case $1 in
        valgrind) valgrind_suites ;;
        asan) asan_suites ;;
        tsan) tsan_suites ;;
        *) each_suite "" "$BUILD" "$1" ;;
        esac
}

# build_ahead SUITE...: builds for the sanitizers among them while the other suites run.
build_ahead() {
        [[ " $* " != *" asan "* ]] || compile_sanitizer asan address,undefined
        [[ " $* " != *" tsan "* ]] || compile_sanitizer tsan thread
}

# run_suites SUITE...: runs them and reports; the last line is "N passed, N failed".
run_suites() {
        local suite start status
        rm -rf "$RESULTS"
        mkdir -p "$RESULTS"
        (renice -n 15 $BASHPID; build_ahead "$@") >"$RESULTS/ahead.log" 2>&1 </dev/null &
        for suite in "$@"; do
                say "Suite $suite"
                start=$SECONDS
                status=0
                (run_suite "$suite") || status=$?
                echo "$status $((SECONDS - start))" >"$RESULTS/$suite.status"
        done
        "$PYTHON" tests/lib/report.py "$RESULTS" "$@"
}

# suite_arguments ARGUMENT...: sets CHOSEN and KEY.
suite_arguments() {
        CHOSEN=()
        KEY=
        while [ $# -gt 0 ]; do
                case $1 in
                -k) [ $# -gt 1 ] || die "-k needs a name"
                        KEY=$2
                        shift ;;
                *) [[ " ${SUITES[*]} " = *" $1 "* ]] || die "there is no suite '$1'; there are: ${SUITES[*]}"
                        CHOSEN+=("$1") ;;
                esac
                shift
        done
}

test_all() {
        suite_arguments "$@"
        [ ${#CHOSEN[@]} -gt 0 ] || CHOSEN=("${SUITES[@]}")
        need_packages build run test
        build
        run_suites "${CHOSEN[@]}"
}

# checker NAME [SUITE...]: one of asan, tsan, valgrind over chosen suites.
checker() {
        local name=$1
        shift
        suite_arguments "$@"
        need_packages build run test
        build
        rm -rf "$RESULTS"
        mkdir -p "$RESULTS"
        local status=0
        ("${name}_suites" "${CHOSEN[@]}") || status=$?
        echo "$status $SECONDS" >"$RESULTS/$name.status"
        "$PYTHON" tests/lib/report.py "$RESULTS" "$name"
}
