# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The network: one segment, a bridge in the server's namespace, with one cable for each client. Client number n has the addresses
# 10.11.12.n and fd11:12::n; the first namespace is number 2, and each client_ns gets the next one.

NET4=10.11.12
NET6=fd11:12:

# The server's namespace with its bridge, and the cable of the first namespace. Where the server and its client have a machine each
# (VM_ROLE is server or client, not both), the cable between the machines takes the place of that one.
net_create() {
	mkdir -p "$STATE/links"
	if [ "$VM_ROLE" = client ]; then
		ip link set eth0 name nfs0 && net_plug main 2
		return
	fi
	ip netns add server
	ip -n server -batch - <<-END || return
		link set lo up
		link add lan type bridge forward_delay 0
		addr add $SERVER/24 dev lan
		addr add $SERVER6/64 dev lan nodad
		link set lan up
	END
	# Nothing is filtered yet. But the first chain and the last change the code that each packet runs through, which an emulated processor
	# may see half done; so the first is there before the first packet, and stays.
	ip netns exec server nft -f - <<-END || return
		table inet open {
			chain in { type filter hook input priority 0; }
			chain out { type filter hook output priority 0; }
		}
	END
	if [ "$VM_ROLE" = server ]; then
		ip link set eth0 netns server && ip -n server link set eth0 master lan up
	else
		net_link main 2
	fi
}

# net_link NAME N: the cable of client NAME, with the number N. A client other than "main" has a namespace of its name.
net_link() {
	local name=$1 number=$2 ns=()
	[ "$name" = main ] || ns=(-n "$name")
	ip link add "far$number" netns server type veth peer name nfs0 ${ns:+netns "$name"} &&
		ip -n server link set "far$number" master lan up &&
		net_plug "$name" "$number" || return
	[ ! -e "$STATE/delay" ] || link_delay "$name" "$(cat "$STATE/delay")"
}

# net_plug NAME N: the client's end of its cable, with the addresses that go with the number.
net_plug() {
	local name=$1 number=$2 ns=()
	[ "$name" = main ] || ns=(-n "$name")
	ip "${ns[@]}" -batch - <<-END || return
		addr add $NET4.$number/24 dev nfs0
		addr add $NET6:$number/64 dev nfs0 nodad
		link set nfs0 up
		route add default via $SERVER
	END
	echo "$number" >"$STATE/links/$name"
}

# client_ns NAME: a further client, a network namespace with an address and a host name of its own, and with an identity of its own
# for the C client, which would else take all namespaces of one machine for one client. Doing it again changes nothing.
client_ns() {
	local name=${1:-} number
	[[ $name =~ ^[a-z][a-z0-9_]*$ && $name != main && $name != server ]] || usage "client_ns NAME"
	[ ! -e "$STATE/links/$name" ] || return 0
	number=$(($(cat "$STATE"/links/* | sort -n | tail -n 1) + 1))
	mkdir -p "$STATE/ns"
	: >"$STATE/ns/uts-$name"
	ip netns add "$name" && ip -n "$name" link set lo up && net_link "$name" "$number" &&
		unshare --uts="$STATE/ns/uts-$name" hostname "$name" &&
		modprobe nfsv4 &&
		ip netns exec "$name" sh -c 'echo "$1" > /sys/fs/nfs/net/nfs_client/identifier' sh "client-$name"
}

# client_sh NAME CMD...: runs a command as that client. What it mounts is mounted for all, but speaks from its address.
client_sh() {
	local name=${1:-}
	[ $# -ge 2 ] && [ -e "$STATE/ns/uts-$name" ] || usage "client_sh NAME CMD... (NAME made by client_ns)"
	shift
	[ $# != 1 ] || set -- bash -c "$1"
	nsenter --net="/run/netns/$name" --uts="$STATE/ns/uts-$name" -- "$@"
}

# link_delay NAME MS: half of the delay on each end of one cable.
link_delay() {
	local name=$1 ns=() number half
	number=$(cat "$STATE/links/$name")
	[ "$name" = main ] || ns=(-n "$name")
	half=$(awk -v ms="$2" 'BEGIN { printf "%d", ms * 500 }')
	if [ "$half" = 0 ]; then
		tc "${ns[@]}" qdisc del dev nfs0 root 2>/dev/null
		tc -n server qdisc del dev "far$number" root 2>/dev/null
		return 0
	fi
	tc "${ns[@]}" qdisc replace dev nfs0 root netem limit 100000 delay "${half}us" &&
		tc -n server qdisc replace dev "far$number" root netem limit 100000 delay "${half}us"
}

# net_delay MS: adds so many milliseconds to each round trip between the server and every client, fractions too; 0 ends it.
net_delay() {
	local name
	[[ ${1:-} =~ ^[0-9]+([.][0-9]+)?$ ]] || usage "net_delay MS"
	echo "$1" >"$STATE/delay"
	for name in "$STATE"/links/*; do
		link_delay "${name##*/}" "$1" || return
	done
}

# net_cut [NAME]: from now on no packet passes between the server and its clients, or only that one ("main" is the first); nobody is told.
net_cut() {
	local name=${1:-} from='' to='' from6='' to6='' number
	if [ -n "$name" ]; then
		[ -e "$STATE/links/$name" ] || usage "net_cut [NAME]"
		number=$(cat "$STATE/links/$name")
		from="ip saddr $NET4.$number" to="ip daddr $NET4.$number"
		from6="ip6 saddr $NET6:$number" to6="ip6 daddr $NET6:$number"
	fi
	ip netns exec server nft -f - <<-END
		table inet cut_${name:-all} {
			chain in { type filter hook input priority 0; iifname lan $from drop; iifname lan $from6 drop; }
			chain out { type filter hook output priority 0; oifname lan $to drop; oifname lan $to6 drop; }
		}
	END
}

# net_heal [NAME]: ends what net_cut began, all of it or for that client.
net_heal() {
	if [ -n "${1:-}" ]; then
		ip netns exec server nft delete table inet "cut_$1"
	else
		ip netns exec server nft list tables | grep ' cut_' | sed 's/^/delete /' | ip netns exec server nft -f -
	fi
}
