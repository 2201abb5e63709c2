# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash

# within SECONDS CMD [ARG...]: repeats the command until it succeeds; fails after that time.
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}
