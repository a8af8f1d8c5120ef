# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ./dev up and ./dev down: install and start doliumd, show the main job, and undo it. Read by ./dev.

# Where ./dev up keeps what is not doliumd's own.
PIDFILE=/run/dolium/doliumd.pid
LOGFILE=/var/log/dolium.log
DEMO=/var/lib/dolium-demo
DEMO_VOLUME=dolium-demo
SOCKET=/run/dolium/dolium.sock
PLUGIN=/run/docker/plugins/dolium.sock

under_systemd() { [ -d /run/systemd/system ]; }

daemon_pid() {
        local pid
        pid=$(cat "$PIDFILE" 2>/dev/null) || return 1
        grep -qs '^doliumd' "/proc/$pid/comm" && echo "$pid"
}

# stop_daemon: SIGTERM and wait. Mounts stay, and with them the containers that use them.
stop_daemon() {
        local pid i
        if under_systemd; then
                systemctl disable --now doliumd.socket doliumd-docker.socket doliumd.service
                return
        fi
        pid=$(daemon_pid) || return 0
        kill "$pid"
        for ((i = 0; i < 300; i++)); do
                # A process that has ended may stay a zombie for a while.
                grep -q '^State:[[:space:]]*[^Z]' "/proc/$pid/status" 2>/dev/null || break
                sleep 0.1
        done
        rm -f "$PIDFILE"
}

start_daemon() {
        if under_systemd; then
                systemctl daemon-reload
                systemctl enable doliumd.socket doliumd-docker.socket doliumd.service
                systemctl restart doliumd.service
        else
                stop_daemon
                mkdir -p /run/dolium
                setsid doliumd >>"$LOGFILE" 2>&1 </dev/null &
                echo $! >"$PIDFILE"
        fi
        local i
        for ((i = 0; i < 150; i++)); do
                ! answers || return 0
                under_systemd || daemon_pid >/dev/null || break
                sleep 0.2
        done
        if under_systemd; then
                journalctl -u doliumd -n 30 --no-pager
        else
                tail -n 30 "$LOGFILE"
        fi
        return 1
}

# choose_engine: sets ENGINE to docker when dockerd answers, else to podman, which it installs.
choose_engine() {
        if command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1; then
                ENGINE=(docker)
                NETWORK=none
                return
        fi
        type -P podman >/dev/null || step "installing podman" apt_install podman
        podman_settings
        ENGINE=(podman)
        NETWORK=host
}

# Without its remarks on cgroups that a host does not have.
podman() { command podman --log-level=error "$@"; }

# podman_settings: a containers.conf of its own, which tells Podman of the plugin and suits hosts
# without systemd, without CAP_SYS_RESOURCE, or with both generations of cgroups mounted.
podman_settings() {
        local runtime='' cgroups=systemd driver=overlay files tasks
        if [ -d /sys/fs/cgroup/unified ]; then # crun refuses such hosts
                command -v runc >/dev/null || step "installing runc" apt_install runc
                runtime='runtime = "runc"'
        fi
        under_systemd || cgroups=cgroupfs
        mkdir -p $DEMO
        [ "$(stat -f -c %T $DEMO)" != overlayfs ] || driver=vfs
        files=$(ulimit -Hn)
        [ "$files" != unlimited ] || files=1048576
        tasks=$(ulimit -Hu)
        if [ "$tasks" = unlimited ] || [ "$tasks" -gt 32768 ]; then tasks=32768; fi
        cat >$DEMO/containers.conf <<CONF
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=$tasks:$tasks"]
[engine]
$runtime
cgroup_manager = "$cgroups"
events_logger = "file"
[engine.volume_plugins]
dolium = "$PLUGIN"
CONF
        printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' \
                $driver $DEMO/storage $DEMO/run >$DEMO/storage.conf
        export CONTAINERS_CONF=$DEMO/containers.conf CONTAINERS_STORAGE_CONF=$DEMO/storage.conf
}

# demo_image: busybox in a root file system, imported; no registry is asked.
demo_image() {
        local root
        ! "${ENGINE[@]}" image inspect $DEMO_VOLUME >/dev/null 2>&1 || return 0
        root=$(mktemp -d)
        mkdir -p "$root"/{bin,dev,proc,sys,tmp,etc,root,data}
        cp "$(command -v busybox)" "$root/bin/busybox"
        chroot "$root" /bin/busybox --install -s /bin
        tar -C "$root" -c . | "${ENGINE[@]}" import -c 'CMD ["/bin/sh"]' - $DEMO_VOLUME
        rm -rf "$root"
}

in_container() {
        "${ENGINE[@]}" run --rm --network "$NETWORK" -v $DEMO_VOLUME:/data $DEMO_VOLUME "$@"
}

demo() {
        local run=("${ENGINE[@]}" run --network "$NETWORK" -v "$DEMO_VOLUME:/data") create=-d note
        [ "${ENGINE[0]}" = docker ] || create=--driver
        note="written by the first container at $(date +%T)"
        say "The main job: a container's data outlives it"
        if ! "${ENGINE[@]}" volume inspect $DEMO_VOLUME >/dev/null 2>&1; then
                show "${ENGINE[@]}" volume create $create dolium -o size=64M $DEMO_VOLUME
        fi
        show "${run[@]}" --name $DEMO_VOLUME-1 $DEMO_VOLUME sh -c "echo $note >/data/note"
        show "${ENGINE[@]}" rm $DEMO_VOLUME-1
        echo "The container is gone. Another one:"
        show "${run[@]}" --rm $DEMO_VOLUME cat /data/note
        [ "$(in_container cat /data/note)" = "$note" ] || die "the data is not there"
        say "The size is enforced by the kernel"
        show "${run[@]}" --rm $DEMO_VOLUME df -h /data
        ! show "${run[@]}" --rm $DEMO_VOLUME dd if=/dev/zero of=/data/big bs=1M count=100 ||
                die "100 MiB went into 64 MiB"
        in_container rm /data/big
        show dolium df
}

next_steps() {
        local try="docker run --rm -it -v mine:/data ..."
        if [ "${ENGINE[0]}" = podman ]; then
                try="export CONTAINERS_CONF=$CONTAINERS_CONF CONTAINERS_STORAGE_CONF=$CONTAINERS_STORAGE_CONF
  podman volume create --driver dolium -o size=1G mine
  podman run --rm -it -v mine:/data $DEMO_VOLUME sh"
        else
                try="docker volume create -d dolium -o size=1G mine
  docker run --rm -it -v mine:/data $DEMO_VOLUME sh"
        fi
        cat <<TEXT

doliumd is running$(under_systemd && echo " as doliumd.service" || echo " (pid $(daemon_pid), log $LOGFILE)"). Try:
  $try
  dolium volume ls
  dolium volume inspect mine
  dolium doctor
  dolium --help
Stop it and undo everything:
  ./dev down             (volumes of your own are kept; --purge deletes them too)
TEXT
}

up() {
        need_root up
        need_debian
        say "Dolium: install, build, start"
        need_packages build run
        build
        step "installing into /usr/local" meson install -C "$BUILD" --no-rebuild --quiet
        step "starting doliumd" start_daemon
        choose_engine
        step "making a small container image" demo_image
        demo
        next_steps
}

# remove_demo: the demonstration's containers, volume and image.
remove_demo() {
        [ ! -f $DEMO/containers.conf ] ||
                export CONTAINERS_CONF=$DEMO/containers.conf CONTAINERS_STORAGE_CONF=$DEMO/storage.conf
        local engine
        dolium volume set $DEMO_VOLUME --trash 0s >/dev/null 2>&1 || true # gone for good
        for engine in docker podman; do
                type -P $engine >/dev/null || continue
                timeout 10 $engine image inspect $DEMO_VOLUME >/dev/null 2>&1 || continue
                $engine rm -f $DEMO_VOLUME-1 >/dev/null 2>&1 || true
                $engine volume rm -f $DEMO_VOLUME >/dev/null 2>&1 || true
                $engine rmi -f $DEMO_VOLUME >/dev/null 2>&1 || true
        done
        [ ! -d $DEMO ] || { umount -q $DEMO/storage/overlay 2>/dev/null || true; rm -rf --one-file-system $DEMO; }
}

# release_state: unmounts what doliumd left mounted (volumes, then pools); loop devices detach
# themselves. Refuses while a container still uses a volume.
release_state() {
        local point
        while read -r point; do
                umount -- "$point" || die "$point is in use: stop the containers that use its volume, then repeat"
        done < <(below /var/lib/dolium)
}

down() {
        local purge=${1:-} left
        need_root down
        [ -z "$purge" ] || [ "$purge" = --purge ] || die "down knows only --purge, not '$purge'"
        say "Dolium: stop and undo"
        ! answers || step "removing the demonstration" remove_demo
        left=$(timeout 10 sh -c 'dolium volume ls -q; dolium trash ls -q' 2>/dev/null || true)
        step "stopping doliumd" stop_daemon
        step "unmounting volumes and pools" release_state
        if [ -n "$left" ] && [ -z "$purge" ]; then
                echo "  kept in /var/lib/dolium: $(wc -w <<<"$left") volume(s). ./dev down --purge deletes them"
        else
                step "deleting /var/lib/dolium" delete_state
        fi
        [ ! -f "$BUILD/build.ninja" ] || step "removing the files in /usr/local" ninja -C "$BUILD" uninstall
        rm -f $SOCKET $PLUGIN "$LOGFILE"
        ! under_systemd || systemctl daemon-reload
        rmdir /run/dolium 2>/dev/null || true
        echo "  kept: build/ (./dev clean) and the packages that apt installed"
}

delete_state() {
        [ -z "$(below /var/lib/dolium)" ] || return 1
        chattr -R -f -i /var/lib/dolium || true
        rm -rf --one-file-system /var/lib/dolium
}
