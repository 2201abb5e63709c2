# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What /proc/mounts shows of a mount. Sourced after lib.sh.

# options DIR
options() {
	awk -v dir="$1" '$2 == dir { print $4 }' /proc/mounts
}

# shows DIR OPTION...: all of them are shown.
shows() {
	local shown option
	shown=,$(options "$1"),
	shift
	for option; do
		[[ $shown == *,$option,* ]] || {
			echo "$option is not in $shown"
			return 1
		}
	done
}
