#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The first process of the virtual machine of vm.py: runs what comes in on the port, one command per
# line in base64, and answers "<exit status> <output in base64>".
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
hostname machine
port=$(echo /dev/vport*p1)
exec 3<>"$port"
echo ready >&3
while :; do
        # Without anybody on the other side a port is always at its end.
        read -r line <&3 || { sleep 0.05; continue; }
        base64 -d <<<"$line" >/tmp/.command
        bash /tmp/.command >/tmp/.output 2>&1 </dev/null
        echo "$? $(base64 -w 0 </tmp/.output)" >&3
done
