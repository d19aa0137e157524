# shellcheck shell=sh
#
# resume: heird is killed in the middle of a takeover and started again.
#
# The scene is that of outage, on real engines and with agents: h1's cable is
# pulled, and a heird with crash points ends itself, as if killed, right before
# it asks for the row's effect. Both rows are behind the point of no return,
# which is the journal's: a new heird looks whether it was done, and goes on.
#
# Sourced by `run`, whose functions and variables it uses.

# shellcheck disable=SC2154,SC2034 # of and for run and scene.sh

resume_points='release start'

start_crashing() {
	configuration >"$work/heir.yaml"
	beside "$work/log" manager env HEIR_CRASH_AT="$1:before" \
		"$root/build/test/heird" --config "$work/heir.yaml"
	heird=$!
}

# Its first line would be written after it has read everything: the clock is
# looked at by the process that becomes it.
start_again() {
	# shellcheck disable=SC2016 # for the other shell
	beside "$work/log" manager sh -c \
		'date +%s.%3N >"$1" && exec "$2" --config "$3"' sh \
		"$work/executed" "$root/build/heird" "$work/heir.yaml"
	heird=$!
}

crash_and_start_again() {
	lab cut h1
	must_hear 60 "event=crash-point at=$1"
	wait "$heird" || :
	mv "$work/log" "$work/log-before"
	start_again
}

# resume_run NUMBER POINT
resume_run() {
	# shellcheck disable=SC2086 # a list
	fresh $options
	start_three
	start_crashing "$2"
	until_true 30 would_move 1 h2 || die "heird would not move web to h2"
	until_true 30 agents_ok || die "heird has not all agents"
	old=$(short "$(docker h1 inspect web --format '{{.Id}}')")
	start_asking 10.20.0.50
	until_true 20 answer first "$old" || die "web does not answer"
	crash_and_start_again "$2"
	must_hear 60 "event=takeover-resumed .*at=$2 "
	resumed=$at
	must_hear 60 "event=takeover .*step="
	stepped=$at
	must_hear 120 "$(takeover_step 'done')"
	ended=$at
	new=$(short "$(docker h2 inspect web --format '{{.Id}}')")
	execd=$(cat "$work/executed")
	until_true 60 answered "$new" "$execd" || die "the replacement never answered"
	kill "$heird"
	# For whoever asks why one of them took so long.
	cp "$work/log-before" "$logs/heird-$2-killed-$1.log"
	cp "$work/log" "$logs/heird-$2-again-$1.log"
	echo "$execd $resumed $stepped $ended $(cat "$work/first")" |
		awk -v OFMT=%.3f '{ print $2 - $1, $3 - $1, $4 - $1, $5 - $1 }' |
		tee -a "$work/resume-$2" | sed "s/^/bench: resume $1 of $runs, $2: /" >&2
}

resume_row() {
	row "$1" "$(median "$2" "$work/resume-$point") s" "$(worst "$2" "$work/resume-$point") s" ""
}

resume() {
	choose swarm-agents 1s
	mkdir -p "$logs"
	number=1
	while [ "$number" -le "$runs" ]; do
		for point in $resume_points; do
			resume_run "$number" "$point"
		done
		number=$((number + 1))
	done
	for point in $resume_points; do
		text ""
		text "heird killed before the effect of $point, started again: seconds since exec, $runs runs, swarm with agents, Docker $engine"
		row "" median worst ""
		resume_row "takeover-resumed" 1
		resume_row "the next step's line" 2
		resume_row "done" 3
		resume_row "the client's first answer" 4
	done
}
