# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash

# nap SECONDS: sleep, fractions too, without a process of its own: who waits should not keep others from what he waits for.
nap() {
	read -rt "$1" <>/run/rnfs4/nap || true
}

# within SECONDS CMD [ARG...]: repeats the command until it succeeds; fails after that time.
within() {
	# Whole seconds from now, not to a tick of $SECONDS.
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
		nap 0.1
	done
}
