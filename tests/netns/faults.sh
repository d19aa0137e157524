# shellcheck shell=sh
#
# The laboratory's bad links and bad moments: what fails by halves.
#
# Frames are dropped in the bridge of the underlay, as a switch would: no host
# knows of it, no link goes down, and nothing of it lives in a host's own
# tables. Each host's faults are one nftables table, fault-hN; they add up and
# `heal` takes them all. A frozen host has a table of its own, frozen-hN.
#
# A lossy link is a program (lossy.c) that reads a queue of the host's kernel,
# since this kernel has no netem and its nftables no `queue`: the rules are
# iptables'. The program belongs to the underlay's cgroup, not to the host's,
# which may be frozen.
#
# Sourced by `lab`, whose functions and variables it uses.

# shellcheck disable=SC2154 # of lab

in_underlay() { nsenter --net="/run/netns/heir-$lab" -- "$@"; }

# fault_add TABLE HOST FROM TO: drop the frames that come from the host and
# match FROM, and those for it that match TO. "-" is none of them, "" all.
# Frames for the host come from other ports (forward) or the underlay (output).
fault_add() {
	port=v${2#h} rules=
	[ "$3" = - ] || rules="add rule bridge $1 from iifname $port $3 counter drop"
	[ "$4" = - ] || rules="$rules
		add rule bridge $1 to oifname $port $4 counter drop
		add rule bridge $1 here oifname $port $4 counter drop"
	in_underlay nft -f - <<-END
	add table bridge $1
	add chain bridge $1 from { type filter hook prerouting priority -300; }
	add chain bridge $1 to { type filter hook forward priority -300; }
	add chain bridge $1 here { type filter hook output priority -300; }
	$rules
	END
}

# Nothing to do where there is none.
fault_remove() {
	in_underlay nft "add table bridge $1; delete table bridge $1" \
		2>/dev/null || :
}

lab_oneway() {
	case ${2:-} in
	in) fault_add "fault-$1" "$1" - '' ;;
	out) fault_add "fault-$1" "$1" '' - ;;
	*) die "oneway $1: in (it hears nobody) or out (nobody hears it)" ;;
	esac
}

lab_cut_data() {
	match="udp dport $data_path_port"
	fault_add "fault-$1" "$1" "$match" "$match"
}

# What the manager's programs ask of a host. With --swarm, what engines say to
# each other as well: gossip and the swarm's managers.
lab_cut_control() {
	asked='tcp dport { 2375, 2376, 4460 }'
	fault_add "fault-$1" "$1" - "ip saddr $subnet.1 $asked"
	case ${2:-} in
	'') ;;
	--swarm)
		for match in 'tcp dport { 2377, 7946 }' 'udp dport 7946' \
			'tcp sport { 2377, 7946 }'; do
			fault_add "fault-$1" "$1" "$match" "$match"
		done ;;
	*) die "cut-control $1: what is '$2'?" ;;
	esac
}

# The key/value store lives at the manager's address and is not the manager.
lab_cut_manager() {
	fault_add "fault-$1" "$1" \
		"ip daddr $subnet.1 tcp dport != 2379" \
		"ip saddr $subnet.1 tcp sport != 2379"
	fault_add "fault-$1" "$1" \
		"ip daddr $subnet.1 ip protocol != tcp" \
		"ip saddr $subnet.1 ip protocol != tcp"
}

### Lossy

lossy_queue=77

lossy_pid() {
	for pid in $(group_procs "heir-$lab/lossy-$1"); do
		printf '%s\n' "$pid"
		return 0
	done
	return 1
}

# lossy_rules HOST -A|-D
lossy_rules() {
	for way in 'PREROUTING -i' 'POSTROUTING -o'; do
		# shellcheck disable=SC2086 # two words
		nsenter --net="/run/netns/heir-$lab-$1" -- \
			iptables -w 10 -t mangle "$2" $way eth0 \
			-j NFQUEUE --queue-num $lossy_queue || return 1
	done
}

# lossy_reads NETNS QUEUE
lossy_reads() {
	nsenter --net="/run/netns/$1" \
		cat /proc/net/netfilter/nfnetlink_queue |
		awk -v queue="$2" '$1 == queue { found = 1 }
			END { exit !found }'
}

# lossy_run GROUP NETNS FOLDER QUEUE LOSS DELAY JITTER SEED: a copy in the folder,
# until the queue is read.
lossy_run() {
	group=$1 netns=$2 folder=$3
	shift 3
	program=$root/build/tests/netns/lossy
	[ -x "$program" ] || die "$program is missing: make netns-tests builds it"
	cp "$program" "$folder/lossy"
	(
		cd /
		in_group "$group" nsenter --net="/run/netns/$netns" -- \
			setsid "$folder/lossy" "$@"
	) </dev/null >>"$folder/lossy.log" 2>&1 9>&- &
	wait_for 30 "lossy, see $folder/lossy.log" lossy_reads "$netns" "$1"
}

# number TEXT UNIT: without its unit.
number() {
	value=${1%"$2"}
	case $value in
	'' | *[!0-9]*) die "'$1': not a number of $2" ;;
	esac
	printf '%s\n' "$value"
}

parse_lossy() {
	loss=20 delay=0 jitter=0 seed=1
	while [ $# -gt 0 ]; do
		[ $# -ge 2 ] || die "$1: what?"
		case $1 in
		--loss) loss=$(number "$2" %) ;;
		--delay) delay=$(number "$2" ms) ;;
		--jitter) jitter=$(number "$2" ms) ;;
		--seed) seed=$(number "$2" '') ;;
		*) die "lossy: what is '$1'?" ;;
		esac
		shift 2
	done
}

lab_lossy() {
	host=$1
	shift
	parse_lossy "$@"
	host_init "$host" >/dev/null || die "$host is off"
	lossy_end "$host"
	lossy_run "heir-$lab/lossy-$host" "heir-$lab-$host" "$state/$host" \
		$lossy_queue "$loss" "$delay" "$jitter" "$seed"
	lossy_rules "$host" -A
}

# The rules first: a queue that nobody reads loses everything. The program
# would keep the namespace of a host that is gone.
lossy_end() {
	[ -e "$state/$1/lossy" ] || return 0
	lossy_rules "$1" -D 2>/dev/null || :
	if pid=$(lossy_pid "$1"); then
		kill -TERM "$pid" 2>/dev/null || :
		wait_for 30 "the end of $1's lossy" test ! -d "/proc/$pid"
	fi
	group_remove "heir-$lab/lossy-$1"
	rm -f "$state/$1/lossy"
}

### Frozen

# With cgroup v1 a host's processes are in the freezer's hierarchy as well (see
# in_group), where its containers are by --cgroup-parent.
freezer_set() {
	if [ "$cgroups" = /sys/fs/cgroup ]; then
		file=$cgroups/heir-$lab-$1/cgroup.freeze
		word=$([ "$2" = THAWED ] && echo 0 || echo 1)
	else
		file=/sys/fs/cgroup/freezer/heir-$lab-$1/freezer.state word=$2
	fi
	[ ! -e "$file" ] || echo "$word" >"$file"
}

freezer_is() {
	if [ "$cgroups" = /sys/fs/cgroup ]; then
		grep -qx 'frozen 1' "$cgroups/heir-$lab-$1/cgroup.events"
	else
		[ "$(cat "/sys/fs/cgroup/freezer/heir-$lab-$1/freezer.state")" \
			= FROZEN ]
	fi
}

# The whole host stops between two instructions, like a virtual machine that is
# paused: its kernel, which is this machine's, says nothing for it meanwhile.
lab_freeze() {
	host_init "$1" >/dev/null || die "$1 is off"
	fault_add "frozen-$1" "$1" '' ''
	freezer_set "$1" FROZEN
	wait_for 30 "$1 to be frozen" freezer_is "$1"
}

# Everything is heard again before anything has looked at a clock.
lab_thaw() {
	fault_remove "frozen-$1"
	freezer_set "$1" THAWED
}

### All of it

faults_heal() {
	fault_remove "fault-$1"
	lossy_end "$1"
}

# Also of a host that is to be killed: what is frozen does not die.
faults_end() {
	lab_thaw "$1"
	faults_heal "$1"
}
