# shellcheck shell=sh
#
# The node agents of a laboratory: heir-agent beside the engine of each host.
#
# It runs in the host's network namespace and cgroup, so it dies with the host
# and starts with it, but sees the machine's files: with several engines on one
# kernel it must find the right one's namespaces itself, from the socket's peer.
#
# Whom it obeys is kept on disk and survives a power loss; the program is a
# copy, so whoever builds meanwhile does not change what is tested.
#
# Sourced by `lab`, whose functions and variables it uses.

# shellcheck disable=SC2154 # of lab

agent_url() { printf 'http://%s:4460\n' "$(host_ip "$1")"; }

agent_pid() {
	for pid in $(group_procs "heir-$lab-$1/agent"); do
		printf '%s\n' "$pid"
		return 0
	done
	return 1
}

agent_answers() {
	nsenter --net="/run/netns/heir-$lab-$1" \
		curl -fs -m 2 -o /dev/null "$(agent_url "$1")/v1/status"
}

agent_start() {
	! agent_pid "$1" >/dev/null || return 0
	init=$(host_init "$1") || die "$1 is off"
	program=${HEIR_AGENT:-$root/build/heir-agent}
	[ -x "$program" ] || die "$program is missing: make builds it"
	mkdir -p "$state/$1"
	rm -f "$state/$1/heir-agent"
	cp "$program" "$state/$1/heir-agent"
	(
		unset NOTIFY_SOCKET LISTEN_FDS
		cd /
		in_group "heir-$lab-$1/agent" nsenter -t "$init" -n -u -- \
			setsid "$state/$1/heir-agent" \
			--listen "$(agent_url "$1")" \
			--engine "unix://$dir/$1/run/docker.sock" \
			--state "$state/$1/agent.json"
	) </dev/null >>"$state/$1/agent.log" 2>&1 9>&- &
	wait_for 60 "the agent of $1, see $state/$1/agent.log" \
		agent_answers "$1"
}

# agent_signal HOST SIGNAL: nothing to do where there is none.
agent_signal() {
	! pid=$(agent_pid "$1") || kill "-$2" "$pid"
}

agent_end() {
	pid=$(agent_pid "$1") || return 0
	agent_signal "$1" "$2"
	wait_for 60 "the end of $1's agent" test ! -d "/proc/$pid"
}

# A new manager, without what the last one left behind.
agent_reset() {
	agent_end "$1" KILL
	rm -f "$state/$1/agent.json"
	[ "$agents" = no ] || agent_start "$1"
}

lab_agent() {
	case ${2:-} in
	up) agent_start "$1" ;;
	down) agent_end "$1" TERM ;;
	kill) agent_end "$1" KILL ;;
	hang) agent_signal "$1" STOP ;;
	wake) agent_signal "$1" CONT ;;
	url) agent_url "$1" ;;
	pid) agent_pid "$1" || die "$1 has no agent" ;;
	log) printf '%s\n' "$state/$1/agent.log" ;;
	status)
		nsenter --net="/run/netns/heir-$lab-$1" \
			curl -fsS -m 5 "$(agent_url "$1")/v1/status" && echo ;;
	*) die "agent $1: up, down, kill, hang, wake, status, url, pid or log" ;;
	esac
}

# What the host's kernel drops, whoever said so; nothing where there is nothing.
lab_quarantine() {
	nsenter --net="/run/netns/heir-$lab-$1" \
		nft list table inet heir 2>/dev/null || :
}
