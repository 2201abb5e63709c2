# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every script here shares: where things are, how to report progress, how a cache entry is made.
# Sourced, never run.

set -euo pipefail
umask 022

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=${RNFS4_CACHE:-/var/cache/rnfs4}
SUITE=trixie

# The scripts call each other, and each inherits the moment at which the first of them began.
export RNFS4_BEGAN=${RNFS4_BEGAN:-$EPOCHSECONDS}

# One line of progress on stderr, with the time since the outermost script began.
say() {
	printf '[%4ds] %s\n' $((EPOCHSECONDS - RNFS4_BEGAN)) "$*" >&2
}

die() {
	printf 'rnfs4: %s\n' "$*" >&2
	exit 1
}

need_root() {
	[ "$(id -u)" = 0 ] || die "$1 needs root (it enters a chroot and mounts things in a namespace of its own)"
}

# A short name for whatever comes in on stdin.
key() {
	sha256sum | cut -c1-12
}

# Runs a long step with its output in a log file, one line of progress now and then, and the end of the log where it fails.
# quietly LOG WHAT CMD...
quietly() {
	local log=$1 what=$2 began=$EPOCHSECONDS pid beat=0 status=0
	shift 2
	mkdir -p "$(dirname "$log")"
	say "$what ..."
	"$@" >"$log" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		beat=$((beat + 1))
		if [ $((beat % 30)) = 0 ]; then
			say "  still at it ($((EPOCHSECONDS - began)) s): $(tail -n 1 "$log" | tr -d '\r' | cut -c1-90)"
		fi
	done
	wait "$pid" || status=$?
	if [ "$status" != 0 ]; then
		tail -n 30 "$log" >&2
		die "$what: failed with status $status; the whole log is $log"
	fi
	say "$what: done in $((EPOCHSECONDS - began)) s"
}

# Builds a program for the guest, out/guest-bin/NAME, with cargo, where its sources have changed. It fails where it cannot be built.
# guest_program NAME CRATE TARGET_DIR BINARY [SOURCE...]: the manifest is CRATE/Cargo.toml; SOURCEs are what else it is made from.
guest_program() {
	local built=$TOP/out/guest-bin/$1 crate=$2 target=$TOP/out/$3 binary=$4 fd began sources
	sources=("$TOP/$crate" "${@:5}")
	is_new() {
		[ -e "$built" ] && [ -z "$(find "${sources[@]}" -newer "$built" -print -quit)" ]
	}
	build() {
		CARGO_TARGET_DIR=$target "$TOP/scripts/toolchain" cargo build --locked --release --manifest-path "$TOP/$crate/Cargo.toml"
	}
	mkdir -p "$TOP/out/guest-bin"
	is_new || (
		exec {fd}>"$TOP/out/guest-bin/.$1.lock"
		flock "$fd"
		is_new && exit
		began=$(date +%s.%N)
		quietly "$TOP/out/guest-bin/$1.log" "building $1" build
		cp "$target/release/$binary" "$built.part"
		# What changes while it is built is built next time.
		touch -d "@$began" "$built.part"
		mv "$built.part" "$built"
	)
}

# Holds the lock of a cache entry for as long as this shell lives. locked NAME
locked() {
	local fd lock=$CACHE/locks/${1//\//-}
	mkdir -p "$CACHE/locks"
	exec {fd}>"$lock"
	if ! flock -n "$fd"; then
		say "waiting for another build of $1"
		flock "$fd"
	fi
}

# Makes the cache entry NAME unless it is there: FUNCTION is called with a temporary path beside it, which becomes the entry once
# it is complete. Several callers at once make it only once. cached NAME FUNCTION
cached() {
	local name=$1 make=$2 temporary=$CACHE/$1.part
	[ -e "$CACHE/$name" ] && return
	(
		locked "$name"
		[ -e "$CACHE/$name" ] && exit
		rm -rf "$temporary"
		"$make" "$temporary"
		mv -T "$temporary" "$CACHE/$name"
	) || exit
}

# The Debian mirror this host itself uses: the first entry for its own release, in either form of sources list.
debian_mirror() {
	local codename found
	if [ -n "${DEBIAN_MIRROR:-}" ]; then
		echo "$DEBIAN_MIRROR"
		return
	fi
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
	found=$({
		cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true
		# The deb822 form, turned into lines of the classic one.
		cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '
			function flush(   i, j, u, s) {
				if (types ~ /(^| )deb( |$)/ && enabled != "no")
					for (i = split(uris, u, " "); i > 0; i--)
						for (j = split(suites, s, " "); j > 0; j--)
							print "deb " u[i] " " s[j]
				types = uris = suites = enabled = ""
			}
			/^#/ { next }
			/^[[:space:]]*$/ { flush(); next }
			{ field = tolower($1); line = $0; sub(/^[^:]*:[[:space:]]*/, "", line) }
			field == "types:" { types = line }
			field == "uris:" { uris = line }
			field == "suites:" { suites = line }
			field == "enabled:" { enabled = tolower(line) }
			END { flush() }' || true
	} | sed -E 's/\[[^]]*\]//' | awk -v c="$codename" '$1 == "deb" && ($3 == c || $3 == "stable") { print $2; exit }')
	[ -n "$found" ] || die "no Debian mirror in /etc/apt; name one with DEBIAN_MIRROR=<uri>"
	echo "${found%/}"
}

# apt of a new root does not read the host's settings: hand on its proxy. Fills the array APT_PROXY with options for mmdebstrap.
apt_proxy() {
	local http='' https=''
	eval "$(apt-config shell http Acquire::http::Proxy https Acquire::https::Proxy)"
	APT_PROXY=()
	[ -z "$http" ] || APT_PROXY+=("--aptopt=Acquire::http::Proxy \"$http\"")
	[ -z "$https" ] || APT_PROXY+=("--aptopt=Acquire::https::Proxy \"$https\"")
}

# mmdebstrap with what every root of ours has in common. debian_root DIR VARIANT PACKAGES(comma separated) [OPTION...]
debian_root() {
	local dir=$1 variant=$2 packages=$3 mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	shift 3
	if ! command -v mmdebstrap >/dev/null; then
		quietly "$CACHE/log/mmdebstrap-install.log" "installing mmdebstrap" \
			sh -c 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends mmdebstrap'
	fi
	mirror=$(debian_mirror)
	apt_proxy
	mmdebstrap --variant="$variant" --skip=check/empty --keyring="$keyring" --include="$packages" \
		"${APT_PROXY[@]}" "$@" "$SUITE" "$dir" "deb $mirror $SUITE main"
}
