#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The first process of a test run's own mount and process namespaces (see sandbox.py). Whatever the
# run starts ends with it, whatever it mounts is gone with it, and it sees no other run: /run (with
# Docker's fixed plugin directory) and /dev/shm (with Podman's locks) are its own.
set -u

mount -t tmpfs -o mode=0755 tmpfs /run || exit 1
mount -t tmpfs -o mode=1777 tmpfs /dev/shm || exit 1
mkdir -p /run/docker/plugins /run/lock

# Mounts that others had on loop devices were copied into this namespace, where they would keep
# those devices busy after their owners have unmounted them.
while read -r mountpoint source; do
        [ "$mountpoint" = / ] && continue
        case $source in /dev/loop*) umount -l -- "$(printf '%b' "$mountpoint")" ;; esac
done < <(sed -E 's/^([^ ]+ ){4}([^ ]+) .* - [^ ]+ ([^ ]+) .*$/\2 \3/' /proc/self/mountinfo | tac)

DOL_TEST_BASE=$(mktemp -d /tmp/dt-XXXXXX) || exit 1
export DOL_TEST_BASE
"$@"
status=$?

for pid in /proc/[0-9]*; do
        pid=${pid#/proc/}
        [ "$pid" = 1 ] || kill -KILL "$pid" 2>/dev/null
done
# While the pools are mounted, the devices of their volumes can be told by the path, too.
for loop in /sys/block/loop*/loop; do
        case $(cat "$loop/backing_file" 2>/dev/null) in
        "$DOL_TEST_BASE"/*) losetup -d "/dev/$(basename "$(dirname "$loop")")" ;;
        esac
done
grep -oE " ${DOL_TEST_BASE}[^ ]*" /proc/self/mountinfo | tac | while read -r mountpoint; do
        umount -l -- "$(printf '%b' "$mountpoint")"
done
# Mount points are immutable until doliumd removes them.
chattr -R -f -i "$DOL_TEST_BASE" 2>/dev/null
rm -rf --one-file-system -- "$DOL_TEST_BASE"
exit $status
