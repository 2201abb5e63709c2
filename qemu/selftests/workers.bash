# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For tests whose work is done by several Python drivers at once, each with a scripted server of its own: most of the time is spent in
# waiting. Sourced after lib.sh.
#
#	workers_run DRIVER [ARG...]	starts one for each line of the array "workers": DRIVER NUMBER ARG... KIND...
#	workers_results WHAT		gives a result for each kind, WHAT the driver says of each row of it, and one for each worker

export PYTHONDONTWRITEBYTECODE=1

workers_run() {
	local driver=$1 number=10 worker
	shift
	workers_pids=()
	for worker in "${workers[@]}"; do
		number=$((number + 1))
		# shellcheck disable=SC2086
		python3 "$HOST_DIR/$driver" "$number" "$@" $worker 2>&1 | tee "/tmp/worker.$number" | sed -un 's/^RESULT/# &/p; s/^BAD/# &/p; s/^HUNG/# &/p' &
		workers_pids+=("$!")
	done
}

workers_results() {
	local number=10 worker kind rows bad
	for worker in "${workers[@]}"; do
		number=$((number + 1))
		wait "${workers_pids[$((number - 11))]}"
		for kind in $worker ${workers_more:-}; do
			read -r _ _ rows bad _ <<<"$(grep "^RESULT $kind " "/tmp/worker.$number")"
			if [ "${bad:-none}" = 0 ] && [ "$rows" -gt 0 ]; then
				ok "$kind: $1 ($rows)"
			else
				grep -A 25 "^BAD $kind: " "/tmp/worker.$number" | head -n 300 | sed 's/^/# /'
				not_ok "$kind: $1; ${bad:-all} of ${rows:-all} do not"
			fi
		done
		if ! is "nothing is left on the server, worker $((number - 10))" "$(grep '^END ' "/tmp/worker.$number")" "END nothing left"; then
			grep -A 60 -e '^HUNG' -e '^Traceback' "/tmp/worker.$number" | sed 's/^/# /'
		fi
	done
}
