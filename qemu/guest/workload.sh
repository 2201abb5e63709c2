# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What goes on while a server restarts: a program that holds files open and appends records to them, each with write() and fsync(), as
# an ordinary user, and an archive that is being unpacked by root. And the comparison of all of it on the server's side.
#
#	archive_make FILES [MAX]	makes an archive of so many files of at most MAX bytes, the same one for the same numbers
#	unpack_begin DIR		starts to unpack it in DIR
#	writer_begin DIR		starts the writer in DIR
#	workload_begin DIR		makes DIR, starts both, and returns when both are in full swing
#	resumed SINCE			a record was begun after that time (EPOCHREALTIME), and acknowledged
#	waited_at TIME			a record was begun before that time and acknowledged after it
#	unpack_end, writer_end		wait for the one, end the other; fail if it has met an error
#	records_equal, tree_equal	compare with what the server has
#	acknowledged, unpacked		print how many records and how many of the archive's names there are by now
#
# DIR is below the mount as it is below the export: workload_at MOUNT says where the mount is.

# shellcheck source=qemu/guest/within.sh
. /guest/within.sh

WORK=/tmp/workload
WRITER_FILES=12
WRITER_UID=1000

workload_at() {
	workload_mount=$1
}

# server_side PATH: where the server has what a client has at PATH.
server_side() {
	echo "$EXPORT${1#"$workload_mount"}"
}

archive_make() {
	mkdir -p "$WORK"
	/guest/tree.py make --files "$1" --max "${2:-200000}" "$WORK/tree" &&
		tar -C "$WORK" -cf "$WORK/tree.tar" tree &&
		/guest/tree.py list "$WORK/tree" >"$WORK/tree.list" &&
		archive_names=$(wc -l <"$WORK/tree.list") &&
		rm -rf "$WORK/tree"
}

unpack_begin() {
	unpack_dir=$1
	tar -C "$1" -xpf "$WORK/tree.tar" 2>"$WORK/tar.err" &
	unpack_pid=$!
}

unpacked() {
	find "$(server_side "$unpack_dir")/tree" -mindepth 1 2>/dev/null | wc -l
}

# In the midst of it, and it has not ended.
unpacking() {
	local n
	n=$(unpacked)
	[ "$n" -gt $((archive_names / 10)) ] && [ "$n" -lt "$archive_names" ] && kill -0 "$unpack_pid"
}

unpack_end() {
	wait "$unpack_pid" && return
	cat "$WORK/tar.err"
	return 1
}

tree_equal() {
	server_sh /guest/tree.py list "$(server_side "$unpack_dir")/tree" | diff "$WORK/tree.list" - >"$WORK/tree.diff" && return
	head -n 20 "$WORK/tree.diff"
	return 1
}

writer_begin() {
	writer_files=()
	local n
	for n in $(seq "$WRITER_FILES"); do
		writer_files+=("$1/file$n")
	done
	: >"$WORK/writer.log"
	/guest/writer.py append --user "$WRITER_UID" --interval 0.03 "$WORK/writer.log" "${writer_files[@]}" &
	writer_pid=$!
}

acknowledged() {
	grep -c '^ack ' "$WORK/writer.log"
}

# Each file has been opened and written.
writing() {
	[ "$(acknowledged)" -gt $((2 * WRITER_FILES)) ]
}

resumed() {
	awk -v since="$1" '$1 == "ack" && $5 > since { found = 1; exit } END { exit !found }' "$WORK/writer.log"
}

waited_at() {
	awk -v when="$1" '$1 == "ack" && $5 < when && $6 > when { found = 1; exit } END { exit !found }' "$WORK/writer.log"
}

writer_end() {
	kill "$writer_pid" && wait "$writer_pid" && return
	grep -v '^ack ' "$WORK/writer.log"
	return 1
}

records_equal() {
	local path files=()
	for path in "${writer_files[@]}"; do
		files+=("$(server_side "$path")")
	done
	server_sh /guest/writer.py check "$WORK/writer.log" "${files[@]}"
}

workload_begin() {
	mkdir "$1" "$1/records" && chown "$WRITER_UID" "$1/records" || return
	writer_begin "$1/records"
	within 60 writing || return
	unpack_begin "$1"
	within 60 unpacking
}
