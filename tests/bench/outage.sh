# shellcheck shell=sh
#
# outage: how long a client on a third host goes without an answer.
#
# Every run has a laboratory of its own: web on h1, a target (h2) and a client
# (h3) that have the overlay joined, heird beside them. h1's cable is pulled,
# and a run is over when the replacement has answered the client. The variants
# take turns, so that what else the machine does is spread over all of them.
#
# A key/value overlay without agents has no end to wait for: peers send to the
# dead host for ever, and heird refuses to begin.
#
# Sourced by `run`, whose functions and variables it uses.

# shellcheck disable=SC2154,SC2034 # of and for run and scene.sh

beats='1s 300ms' logs=$root/build/bench-logs

# Sets what configuration() and the laboratory are to be for one variant.
choose() {
	overlay=${1%-agents} agents=no heartbeat="{interval: $2, timeout: $2, failures: 3}"
	options="--overlay $overlay"
	[ "$overlay" = "$1" ] || agents=yes options="$options --agents"
}

agents_ok() {
	[ "$agents" = no ] ||
		[ "$(heir --format json node ls | grep -c '"agent": *"ok"')" -eq 3 ]
}

answered() { answer first "$1" "$2" >"$work/first"; }

# All at once: there are many runs.
start_three() {
	start_web 10.20.0.50 web &
	web=$!
	warm h2 neighbour &
	neighbour=$!
	warm h3 client &
	for starting in $! "$neighbour" "$web"; do
		wait "$starting" || die "a container did not start"
	done
}

# outage_run NUMBER FILE
outage_run() {
	# shellcheck disable=SC2086 # a list
	fresh $options
	start_three
	docker h1 inspect web >"$work/inspect.json"
	start_heird
	heird=$!
	until_true 30 would_move 1 h2 || die "heird would not move web to h2"
	until_true 30 agents_ok || die "heird has not all agents"
	old=$(short "$(docker h1 inspect web --format '{{.Id}}')")
	start_asking 10.20.0.50
	until_true 20 answer first "$old" || die "web does not answer"
	# The cut falls anywhere between two heartbeats.
	sleep "1.$(printf %03d $(($1 * 919 % 1000)))"
	lab cut h1
	must_hear 30 'node=h1 from=suspect to=dead'
	dead=$at
	must_hear 60 "$(takeover_step start)"
	started=$at
	new=$(short "$(docker h2 inspect web --format '{{.Id}}')")
	until_true 60 answered "$new" "$dead" || die "the replacement never answered"
	last=$(answer last "$old")
	kill "$heird"
	docker h2 rm -f web >/dev/null
	direct h2
	echo "$last $dead $started $(cat "$work/first") $direct" |
		awk -v OFMT=%.3f '{ print $4 - $1, $2 - $1, $3 - $2, $4 - $3, $5, $4 - $2 }' |
		tee -a "$2" | sed "s/^/bench: outage $1 of $runs, $variant, $beat: /" >&2
	# For whoever asks why one of them took so long.
	cp "$work/log" "$logs/heird-$variant-$beat-$1.log"
	cp "$work/answers" "$logs/answers-$variant-$beat-$1"
	cp "$(lab log h2)" "$logs/engine-$variant-$beat-$1.log"
}

outage() {
	[ "$engine" = 20.10 ] || variants=${variants%kv-agents} # only 20.10 has it
	rm -rf "$logs"
	mkdir -p "$logs"
	number=1
	while [ "$number" -le "$runs" ]; do
		for beat in $beats; do
			for variant in $variants; do
				choose "$variant" "$beat"
				outage_run "$number" "$work/outage-$variant-$beat"
			done
		done
		number=$((number + 1))
	done
	for beat in $beats; do
		outage_table
	done
	text "  The logs of the runs are in ${logs#"$root/"}."
	text "  The key/value overlay without agents never answers again: not run."
}

### The table: variants side by side

# cells TITLE COLUMN [AIM]: median and worst of each variant.
cells() {
	printf '  %-40s' "$1"
	for variant in $variants; do
		file=$work/outage-$variant-$beat
		printf ' %16s' "$(median "$2" "$file") ($(worst "$2" "$file"))"
	done
	printf '   %s\n' "${3:-}"
}

# aim COLUMN ENDING LIMIT TEXT: for the slowest of the variants that end so.
aim() {
	slowest=$(for variant in $variants; do
		case $variant in
		*"$2") printf '%s\n' "$(median "$1" "$work/outage-$variant-$beat")" ;;
		esac
	done | sort -n | tail -n 1)
	[ -z "$slowest" ] || verdict "$slowest" "$3" "$4"
}

outage_table() {
	text ""
	text "Outage as a client on a third host sees it, heartbeats $beat x 3: seconds, median (worst) of $runs, warm target, Docker $engine"
	{
		printf '  %-40s' ''
		# shellcheck disable=SC2086 # a list
		printf ' %16s' $variants
		echo
		cells "last answer to first answer" 1
		cells "  detection: last answer to node dead" 2
		cells "  decision to first answer" 6 "$(aim 6 -agents 0.7 'with agents under 0.7 s')"
		cells "    takeover: decision to started" 3 "$(aim 3 swarm 0.6 'without under 0.6 s')"
		cells "      the engine's own create and start" 5
		cells "    rows: started to answered" 4
	} | sed 's/ *$//' | tee -a "$table"
}
