# shellcheck shell=sh
#
# What the demo and the measurements share: heird and a client beside a
# laboratory, and how their words are read.
#
# Sourced. Wants $here (tests/netns), $root, $work (a folder of its own, below
# /run: a Unix socket's path is short), $asks_ms, HEIR_LAB; LC_ALL=C. May have
# agents=yes and overlay=kv, when the laboratory was raised like that.

# shellcheck disable=SC2154,SC2034 # of and for whoever sources this

image=heir-lab/busybox:1

# What is started must not hold the caller's lock (fd 8): it may stay.
lab() { "$here/lab" "$@" 8>&-; }
docker() { lab docker "$@"; }
heir() { "$root/build/heir" --host "unix://$work/heir.sock" "$@"; }

# beside OUTPUT ARG...: lab ARG... in the background; it goes with the lab. Not
# by the function: the shell that waited for it would keep our output open.
beside() {
	output=$1
	shift
	"$here/lab" "$@" 8>&- </dev/null >"$output" 2>&1 &
}

### Waiting. Deadlines are generous: the machine may be busy.

# Hundredths of a second; no process is started to read it.
ticks() {
	read -r uptime _ </proc/uptime
	printf '%s\n' "${uptime%.*}${uptime#*.}"
}

# until_true SECONDS CMD...
until_true() {
	deadline=$(($(ticks) + $1 * 100))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(ticks)" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}

has() { grep -q -- "$1" "$2"; }
quietly() { "$@" >/dev/null 2>&1; }
now() { date +%s.%3N; }
seconds() { awk "BEGIN { printf \"%.2f\", $1 }"; }
short() { printf '%.12s' "$1"; }

### heird

# Of the laboratory: $agents=yes when its hosts have them, $overlay=kv when that
# is what it has; $heartbeat when it is not the default.
configuration() {
	cat <<END
cluster: ${HEIR_LAB}
state: $work/heir.db
api: unix://$work/heir.sock
engines:
END
	for host in $(lab hosts); do
		printf '  - {name: %s, url: "%s"%s}\n' "$host" \
			"$(lab url "$host")" "$(agent_of "$host")"
	done
	[ -z "${heartbeat:-}" ] || printf 'heartbeat: %s\n' "$heartbeat"
	[ "${overlay:-swarm}" = kv ] ||
		printf 'swarm: {control: "unix://%s"}\n' "$(lab control h2)"
}

agent_of() {
	[ "${agents:-no}" = no ] ||
		printf ', agent: {url: "%s"}' "$(lab agent "$1" url)"
}

start_heird() {
	configuration >"$work/heir.yaml"
	beside "$work/log" manager \
		"$root/build/heird" --config "$work/heir.yaml"
}

# would_move COUNT [TARGET]: heird has heard of h1, and knows COUNT containers
# of it that it would move, all to TARGET.
would_move() {
	has 'node=h1 from=[a-z]* to=alive' "$work/log" || return 1
	heir --format json drill h1 >"$work/drill" || [ $? -eq 2 ] || return 1
	[ "$(grep -c '"state": *"would-move"' "$work/drill")" -eq "$1" ] ||
		return 1
	[ $# -eq 1 ] ||
		[ "$(grep -c "\"target\": *\"$2\"" "$work/drill")" -eq "$1" ]
}

# heard SECONDS PATTERN: wait for a line of heird's log; $said is the line, $at
# the moment it was written, in seconds since 1970.
heard() {
	until_true "$1" has "$2" "$work/log" || return 1
	said=$(grep -m 1 -- "$2" "$work/log")
	at=$(moment "$said")
}

moment() {
	date -d "$(expr "$1" : 'time=\([^ ]*\)')" +%s.%3N
}

# field KEY: of the line that was heard, without quotes.
field() {
	value=$(printf '%s\n' " $said" | sed -n \
		"s/.* $1=\"\(\([^\"\\]\|\\\\.\)*\)\".*/\1/p" | sed 's/\\"/"/g')
	[ -n "$value" ] ||
		value=$(expr " $said" : ".* $1=\([^ ]*\)") || value=
	printf '%s' "$value"
}

takeover_step() { printf 'event=takeover .*step=%s outcome=ok' "$1"; }

### web and its client

# The page is the host name, which is the container's own ID: so an answer
# tells who gave it.
# shellcheck disable=SC2016 # for the shell in the container
serve='mkdir -p /www; hostname >/www/index.html; exec httpd -f -h /www'

# start_web ADDRESS NAME: on h1, opted in.
start_web() {
	docker h1 run -d --name "$2" --network ov --ip "$1" \
		-e reschedule:on-node-failure --stop-signal KILL \
		"$image" sh -c "$serve" >/dev/null
}

# start_asking ADDRESS: from the network namespace of h3's container `client`,
# outside of which nothing sees the overlay.
start_asking() {
	pid=$(docker h3 inspect client --format '{{.State.Pid}}')
	beside "$work/answers" exec h3 nsenter -t "$pid" -n \
		"$root/build/tests/bench/client" "$1" 80 "$asks_ms" 800
}

# answer first|last PAGE [AFTER]: the moment of the first or last such answer.
answer() {
	awk -v which="$1" -v page="$2" -v after="${3:-0}" '
		$3 == "ok" && $4 == page && $2 >= after { at = $2
			if (which == "first") exit }
		END { if (at) print at; else exit 1 }' "$work/answers"
}
