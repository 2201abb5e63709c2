# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# TAP for the selftests. A test is a bash script that runs in the guest: it sources this file, says plan N and then gives N results.
#
#	plan N				first of all
#	check WHAT CMD [ARG...]		ok if the command succeeds; its output is shown only if it fails
#	refuse WHAT CMD [ARG...]	ok if the command fails
#	says TEXT CMD [ARG...]		for check: the command fails, and says that
#	is WHAT GOT WANTED		ok if both are equal
#	below WHAT GOT LIMIT		ok if the number is below the limit; both may have fractions
#	ok WHAT, not_ok WHAT		a result found in another way
#	skip WHAT WHY			a result that could not be had
#	note TEXT			a line for the reader
#	within SECONDS CMD [ARG...]	repeats the command until it succeeds; fails after that time
#
# Each result carries the seconds since the one before. A script that ends early, or gives another number of results than planned,
# has failed.

# The guest's commands as functions: a command would begin with a shell of its own.
# shellcheck source=qemu/guest/lib.sh
. /guest/lib.sh
# shellcheck source=qemu/guest/within.sh
. /guest/within.sh

tests_done=0
tests_bad=0
tests_planned=0
# In microseconds.
tests_last=${EPOCHREALTIME/./}

plan() {
	tests_planned=$1
	echo "TAP version 13"
	echo "1..$1"
	trap tests_end EXIT
}

tests_end() {
	local status=$?
	if [ "$tests_done" != "$tests_planned" ]; then
		echo "Bail out! $tests_done results of $tests_planned"
		status=1
	fi
	[ "$status" != 0 ] || [ "$tests_bad" = 0 ] || status=1
	exit "$status"
}

result() {
	local now=${EPOCHREALTIME/./} tenths
	tests_done=$((tests_done + 1))
	tenths=$(((now - tests_last + 50000) / 100000))
	printf '%s %d %s (%d.%d s)%s\n' "$1" "$tests_done" "$2" $((tenths / 10)) $((tenths % 10)) "${3:-}"
	tests_last=$now
}

ok() {
	result ok "$1"
}

not_ok() {
	tests_bad=$((tests_bad + 1))
	result "not ok" "$1"
}

skip() {
	result ok "$1" " # SKIP $2"
}

note() {
	echo "# $*"
}

check() {
	local what=$1 out
	shift
	if out=$("$@" 2>&1); then
		ok "$what"
	else
		[ -z "$out" ] || tail -n 20 <<<"$out" | sed 's/^/# /'
		not_ok "$what"
		return 1
	fi
}

refuse() {
	local what=$1
	shift
	if ("$@") >/dev/null 2>&1; then
		not_ok "$what"
		return 1
	else
		ok "$what"
	fi
}

says() {
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "did not fail"
		return 1
	fi
	grep -qF -- "$text" <<<"$out" || {
		echo "said: $out"
		return 1
	}
}

is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		note "got $2, wanted $3"
		not_ok "$1"
		return 1
	fi
}

below() {
	if awk -v got="$2" -v limit="$3" 'BEGIN { exit !(got != "" && got + 0 < limit + 0) }'; then
		ok "$1"
	else
		note "got $2, the limit is $3"
		not_ok "$1"
		return 1
	fi
}
