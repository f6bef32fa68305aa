#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Redis servers for tests: on loopback, on their own ports, everything in one folder.
#   redis.sh standalone FOLDER     one server
#   redis.sh cluster FOLDER        three primaries, each with a replica
#   redis.sh sentinel FOLDER       a primary, two replicas, three Sentinels ("mymaster")
#   redis.sh start FOLDER PORT     starts a killed server again
#   redis.sh stop FOLDER           stops all of them and removes the folder
# With STOA_TEST_CLOCK, the library of wall_clock.c, FOLDER/clock has how far their clocks are ahead.
# FOLDER/ports has one port a line (sentinel: the Sentinels in FOLDER/sentinels), FOLDER/PORT/pid the process.
set -euo pipefail
mode=$1 folder=$(realpath -m "$2")
packaged=$(cd "$(dirname "$0")/../../packaging" && pwd)/redis.conf
failover_ms=2000

free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Ten free ports in a row (each Cluster node also uses its port plus 10,000), below the ephemeral ones.
pick_ports() {
    local try port
    for try in {1..100}; do
        base=$((11000 + RANDOM % 1000 * 10))
        for port in {0..9}; do free $((base + port)) && free $((base + port + 10000)) || continue 2; done
        return 0
    done
    echo "no free ports" >&2
    exit 1
}

# launch PORT: starts a server with the settings in FOLDER/PORT/conf
launch() {
    local arguments=("$folder/$1/conf")
    [ ! -f "$folder/$1/is_sentinel" ] || arguments+=(--sentinel)
    timeout 10 env ${STOA_TEST_CLOCK:+"LD_PRELOAD=$STOA_TEST_CLOCK" "STOA_TEST_CLOCK_FILE=$folder/clock"} redis-server "${arguments[@]}" >"$folder/$1/out" 2>&1 || { cat "$folder/$1/out" >&2; exit 1; }
}

# prepare PORT SETTING…: writes the settings of all servers, and these
prepare() {
    local at="$folder/$1"
    mkdir -p "$at"
    printf '%s\n' "port $1" "bind 127.0.0.1" "dir $at" "daemonize yes" "pidfile $at/pid" "logfile $at/log" \
        "protected-mode no" "${@:2}" >"$at/conf"
}

data_server() { prepare "$1" "include $packaged" 'save ""' "maxmemory 64mb" "repl-diskless-sync-delay 0" "${@:2}"; }

ask() { timeout 5 redis-cli -p "$@" 2>/dev/null; }

# until_true SECONDS COMMAND…: repeats the command until it succeeds
until_true() {
    local end=$((SECONDS + $1))
    until "${@:2}"; do
        [ $SECONDS -lt $end ] || { echo "redis.sh: not in time: ${*:2}" >&2; exit 1; }
        sleep 0.05 # between two looks
    done
}

node_id() { printf '%040x' $((2560 + $1)); }

# Writes what the nodes would tell each other: they know the Cluster at once, and start in seconds.
write_nodes_conf() {
    local own=$1 slots=(0-5460 5461-10922 10923-16383) i flags
    for i in {0..5}; do
        flags=$([ "$i" != "$own" ] || echo myself,)
        if [ "$i" -lt 3 ]; then
            echo "$(node_id "$i") 127.0.0.1:$((base + i))@$((base + i + 10000)) ${flags}master - 0 0 $((i + 1)) connected ${slots[i]}"
        else
            echo "$(node_id "$i") 127.0.0.1:$((base + i))@$((base + i + 10000)) ${flags}slave $(node_id $((i - 3))) 0 0 $((i - 2)) connected"
        fi
    done
    echo "vars currentEpoch 3 lastVoteEpoch 0"
}

answers() { [ "$(ask "$1" ping)" = PONG ]; }
in_cluster() { ask "$1" cluster info | grep -q cluster_state:ok; }
follows() { ask "$1" info replication | grep -q master_link_status:up; }
knows_all() { [ "$(ask "$1" sentinel master mymaster | paste - - | awk '/num-slaves/{a=$2} /num-other-sentinels/{b=$2} END{print a+0,b+0}')" = "2 2" ]; }

start_standalone() {
    data_server "$base"
    launch "$base"
    echo "$base" >"$folder/ports"
    until_true 10 answers "$base"
}

start_cluster() {
    local i
    for i in {0..5}; do
        data_server $((base + i)) "cluster-enabled yes" "cluster-config-file nodes.conf" "cluster-node-timeout $failover_ms" \
            "cluster-require-full-coverage no" "cluster-replica-validity-factor 0"
        write_nodes_conf "$i" >"$folder/$((base + i))/nodes.conf"
        launch $((base + i))
        echo $((base + i)) >>"$folder/ports"
    done
    for i in {0..5}; do until_true 30 in_cluster $((base + i)); done
    for i in {3..5}; do until_true 30 follows $((base + i)); done
}

start_sentinel() {
    local i role=()
    for i in {0..2}; do
        data_server $((base + i)) "${role[@]}"
        role=("replicaof 127.0.0.1 $base")
        launch $((base + i))
        echo $((base + i)) >>"$folder/ports"
    done
    for i in {5..7}; do
        prepare $((base + i)) "sentinel monitor mymaster 127.0.0.1 $base 2" \
            "sentinel down-after-milliseconds mymaster 1000" "sentinel failover-timeout mymaster 2000"
        touch "$folder/$((base + i))/is_sentinel"
        launch $((base + i))
        echo $((base + i)) >>"$folder/sentinels"
    done
    for i in {5..7}; do until_true 30 knows_all $((base + i)); done
}

# All processes that work in the folder, also those that have not written their pid yet.
stop() {
    local at pid
    for at in $(find /proc/[0-9]*/cwd -maxdepth 0 -lname "$folder/*" 2>/dev/null); do
        pid=${at//[^0-9]/}
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != redis-server ] || kill -9 "$pid" 2>/dev/null || true
    done
    rm -rf "$folder"
}

case $mode in
standalone | cluster | sentinel)
    [ ! -e "$folder" ] || stop
    mkdir -p "$folder"
    head -c 8 /dev/zero >"$folder/clock"
    pick_ports
    "start_$mode"
    ;;
start)
    launch "$3"
    until_true 10 answers "$3"
    ;;
stop) stop ;;
*) exit 2 ;;
esac
