# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What tools/up, tools/down and tools/check do before anything else: become root, install packages,
# build. Needs nothing but bash, coreutils and apt, so it runs on a root file system made by
# debootstrap. Everything after this step is Python (tools/lib/*.py).

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly top
export LC_ALL=C.UTF-8

say() {
	printf '%s\n' "$*"
}

# version_asked ARG...: prints name and version if --version is among the arguments, before anything
# needs root. The one place that holds the version is meson.build.
version_asked() {
	case " $* " in
	*" --version "*) ;;
	*) return 1 ;;
	esac
	say "tools/${0##*/} $(sed -n "s/^  version: '\([^']*\)',\$/\1/p" "$top/meson.build")"
}

# One sentence what is wrong, one what to do; exit status 3 = a resource is missing.
fail() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 3
}

# Namespaces, packages and hugepages belong to root.
become_root() {
	[ "$(id -u)" -eq 0 ] && return
	command -v sudo >/dev/null 2>&1 ||
		fail "this needs root and there is no sudo here. Run it as root."
	exec sudo --preserve-env=SLUICE_ROOT,SLUICE_KILLS,SLUICE_TEST_SEED,CI -- "$0" "$@"
}

packages_of() {
	local wanted
	for wanted in "$@"; do
		awk -v wanted="$wanted" '$1 == wanted { print $2 }' "$top/tools/lib/packages.list"
	done
}

packages_missing() {
	local name
	for name in "$@"; do
		dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed ||
			printf '%s\n' "$name"
	done
}

apt_install() {
	# A lock held by another apt is waited for, not an error.
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
		install --no-install-recommends "$@" </dev/null
}

# packages_install PURPOSE...: quick when nothing is missing; asks the mirror for lists only then.
packages_install() {
	local all missing log="$top/build/packages.log"
	mapfile -t all < <(packages_of "$@")
	mapfile -t missing < <(packages_missing "${all[@]}")
	[ "${#missing[@]}" -eq 0 ] && return
	command -v apt-get >/dev/null 2>&1 ||
		fail "these packages are missing and there is no apt-get here: ${missing[*]}." \
			"Install them by hand (names as in Debian 12)."
	say "Installing ${#missing[@]} Debian packages (once): ${missing[*]}"
	mkdir -p "$top/build"
	if ! { apt-get -q -o DPkg::Lock::Timeout=300 update && apt_install "${missing[@]}"; } \
		>"$log" 2>&1 </dev/null; then
		tail -n 5 "$log" >&2
		fail "apt-get could not install the packages." \
			"Check the network and /etc/apt/sources.list; the whole log is $log."
	fi
}

# build_tree DIR [MESON OPTION...]: configures once, then builds what changed, or of it what
# $ninja_targets names. A lock keeps two tools from building into one directory at the same time.
build_tree() {
	local dir="$1" log options
	shift
	options="$*"
	mkdir -p "$dir"
	log="$dir/build.log"
	if ! (
		exec 9>"$dir/.lock"
		flock 9
		# Other options than last time: configure again, so that no build is an old one.
		if [ ! -f "$dir/build.ninja" ] ||
			[ "$options" != "$(cat "$dir/.options" 2>/dev/null)" ]; then
			[ ! -f "$dir/build.ninja" ] || set -- "$@" --reconfigure
			meson setup "$dir" "$top" "$@" || exit 1
			printf '%s' "$options" >"$dir/.options"
		fi
		# shellcheck disable=SC2086 # words
		exec ninja -C "$dir" ${ninja_targets:-} 9>&-
	) >"$log" 2>&1 </dev/null; then
		grep -E -m 5 'error:|ERROR|FAILED' "$log" >&2 || tail -n 10 "$log" >&2
		fail "the build in ${dir#"$top"/} failed. The whole log is $log."
	fi
}
