# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Files held open by another process (hold.py says what it can be told):
#
#	hold_begin		starts it
#	hold CMD ARG...		tells it something, and prints the answer: "ok", or the name of the error
#	hold_end		ends it, with all that it still has open

HOLD=/tmp/hold

hold_begin() {
	mkdir -p "$HOLD"
	rm -f "$HOLD/commands" "$HOLD/answers"
	mkfifo "$HOLD/commands" "$HOLD/answers"
	/guest/hold.py <"$HOLD/commands" >"$HOLD/answers" &
	hold_pid=$!
	exec {hold_commands}>"$HOLD/commands" {hold_answers}<"$HOLD/answers"
}

hold() {
	local answer
	echo "$*" >&"$hold_commands"
	read -r -t "${HOLD_PATIENCE:-60}" -u "$hold_answers" answer || answer="no answer"
	echo "$answer"
}

hold_end() {
	exec {hold_commands}>&- {hold_answers}<&-
	kill "$hold_pid"
	wait "$hold_pid"
	return 0
}
