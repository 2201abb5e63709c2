#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What goes along with a WRITE or an OPEN (a CLOSE, a SETATTR, a READ) fails, or what it goes along with does: the program gets the errors
# that it would get otherwise, nothing is lost and nothing is left open.

. "$(dirname "$0")/lib.sh"

M=/mnt/together

# case NAME WHAT WANTED
wanted() {
	is "$2" "$(sed -n "s/^$1: //p" /tmp/together.log)" "$3"
}

plan 32

scripted serve --lease 20 &
within 5 scripted ctl /run/scripted put here x
check "mount" mount_rnfs4 127.0.0.1:/ "$M"
check "all cases are played" eval '/guest/together.py "$M" >/tmp/together.log'
[ -z "${VERBOSE:-}" ] || sed 's/^/# /' /tmp/together.log
wanted plain "a small file takes two calls" "ok ok | OPEN WRITE+CLOSE | whole 0 open"
wanted full "close() tells of a WRITE that failed, and CLOSE follows" "ok ENOSPC | OPEN WRITE CLOSE | not whole 0 open"
wanted later "a CLOSE that is put off goes by itself" "ok ok | OPEN WRITE+CLOSE CLOSE | whole 0 open"
wanted unclosed "so does one that fails" "ok ok | OPEN WRITE+CLOSE CLOSE | whole 0 open"
wanted short "after a short WRITE the file is opened anew" "ok ok | OPEN WRITE+CLOSE OPEN/fh WRITE CLOSE | whole 0 open"
wanted reset "after a lost reply it is asked for again" "ok ok | OPEN WRITE+CLOSE | whole 0 open"
wanted restart "after a restart all of it is done again" "ok ok | OPEN WRITE+CLOSE OPEN WRITE+CLOSE | whole 0 open"
wanted mode "the mode goes with the data" "ok ok ok | OPEN WRITE+SETATTR CLOSE | whole 0 open"
wanted mode-refused "fchmod() tells of its own error" "ok EPERM ok | OPEN WRITE+SETATTR SETATTR CLOSE | whole 0 open"
wanted mode-later "a SETATTR that is put off goes by itself" "ok ok ok | OPEN WRITE+SETATTR SETATTR CLOSE | whole 0 open"
wanted mode-full "close() tells of the WRITE, fchmod() does not" "ok ok ENOSPC | OPEN WRITE SETATTR CLOSE | not whole 0 open"
wanted mode-short "after a short WRITE the mode is set behind the rest" "ok ok ok | OPEN WRITE+SETATTR WRITE SETATTR CLOSE | whole 0 open"
wanted end "a mode that may wait goes with the data and the CLOSE" "ok ok ok | OPEN WRITE+SETATTR+CLOSE | whole 0 open"
wanted end-refused "close() tells of the error" "ok ok EPERM | OPEN WRITE+SETATTR SETATTR CLOSE | whole 0 open"
wanted end-later "if it is put off it goes by itself, and CLOSE" "ok ok ok | OPEN WRITE+SETATTR SETATTR CLOSE | whole 0 open"
wanted end-full "and so behind a WRITE that failed" "ok ok ENOSPC | OPEN WRITE SETATTR CLOSE | not whole 0 open"
wanted end-short "after a short WRITE the file is opened anew, and they follow the rest" "ok ok ok | OPEN WRITE+SETATTR+CLOSE OPEN/fh WRITE SETATTR CLOSE | whole 0 open"
wanted end-unclosed "if only the CLOSE is put off, it goes by itself" "ok ok ok | OPEN WRITE+SETATTR+CLOSE CLOSE | whole 0 open"
wanted end-reset "after a lost reply all is asked for again" "ok ok ok | OPEN WRITE+SETATTR+CLOSE | whole 0 open"
wanted end-restart "after a restart all of it is done again" "ok ok ok | OPEN WRITE+SETATTR+CLOSE OPEN WRITE+SETATTR+CLOSE | whole 0 open"
wanted read "a small file is read with its OPEN" "whole | OPEN+READ"
wanted unread "if that fails it is read by itself" "whole | OPEN+READ READ"
wanted read-later "and so if it is put off" "whole | OPEN+READ READ"
wanted read-reset "after a lost reply the file is opened once more" "whole | OPEN+READ OPEN+READ"

# stuck NAME: begins a program whose close() waits for a reply that is lost.
stuck() {
	scripted ctl /run/scripted mark
	scripted ctl /run/scripted rule WRITE drop
	/guest/together.py "$M" "$1" >/dev/null 2>&1 &
	stuck=$!
}

asked() {
	scripted ctl /run/scripted log | grep -q "^$1"
}

gone() {
	! kill -0 "$stuck" 2>/dev/null
}

stuck killed
check "the reply to a WRITE with its CLOSE is lost" within 20 asked CLOSE
kill -KILL "$stuck"
check "SIGKILL ends close()" within 5 gone
stuck forced
check "and another one" within 20 asked CLOSE
umount -f "$M" 2>/dev/null
check "umount -f ends the wait" within 5 gone
check "unmount" within 10 eval 'umount "$M" 2>/dev/null || ! grep -q " $M " /proc/mounts'
check "the module can be removed" within 10 rmmod rnfs4
