# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Control groups of a run, sourced by bench/run: one whose threads run only while nobody else wants
# the CPU, and one that holds threads still.

# Makes a group NAME with cpu.idle (Linux 5.15) and prints its folder. Fails where there is none.
group_idle_make() {
	local base group
	for base in /sys/fs/cgroup/cpu /sys/fs/cgroup; do
		group=$base/$1
		[ -e $base/cgroup.procs ] || continue
		# Version 2 gives groups the controllers that their parent passes on.
		[ ! -e $base/cgroup.subtree_control ] ||
			echo +cpu 2>/dev/null >$base/cgroup.subtree_control || continue
		mkdir "$group" 2>/dev/null || continue
		if echo 1 2>/dev/null >"$group/cpu.idle"; then
			echo "$group"
			return 0
		fi
		rmdir "$group"
	done
	return 1
}

# Holds threads of process PID by name: group_hold GROUP PID NAME... Prints the folder that holds
# them. A thread leaves its process for a group of threads below the process's own (version 2).
group_hold() {
	local base group=$1 pid=$2 task held=0
	shift 2
	for base in /sys/fs/cgroup /sys/fs/cgroup/unified; do
		[ -e $base/cgroup.controllers ] || continue
		mkdir -p "$base/$group/held" 2>/dev/null || continue
		echo "$pid" >"$base/$group/cgroup.procs" &&
			echo threaded >"$base/$group/held/cgroup.type" || return 1
		for task in /proc/"$pid"/task/*; do
			case " $* " in
			*" $(cat "$task/comm") "*)
				echo "${task##*/}" >"$base/$group/held/cgroup.threads" || return 1
				held=$((held + 1))
				;;
			esac
		done
		echo 1 >"$base/$group/held/cgroup.freeze" || return 1
		echo "$base/$group"
		[ $held -gt 0 ]
		return
	done
	return 1
}

# Lets them run again.
group_release() {
	[ -z "$1" ] || echo 0 >"$1/held/cgroup.freeze"
}

# Removes folders of ended groups; what is still in one has to end first.
group_remove() {
	local group
	for group in "$@"; do
		[ -d "$group" ] || continue
		for _ in $(seq 50); do
			rmdir "$group" 2>/dev/null && break
			sleep 0.1
		done
	done
}
