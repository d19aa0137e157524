# shellcheck shell=sh
#
# sim, memory: how much the simulator tries in a minute, and what thousands of
# takeovers leave behind.
#
# Sourced by `run`, whose functions and variables it uses.

# shellcheck disable=SC2154,SC2034 # of and for run and scene.sh

### sim

sim_seeds=20000 sim_aim=3000

sim() {
	since=$(ticks)
	make -s -C "$root" sim SEEDS="$sim_seeds" >"$work/sim" 2>&1 8>&- || {
		tail -n 20 "$work/sim" >&2
		die "the simulator does not pass"
	}
	took=$(seconds "($(ticks) - $since) / 100")
	text ""
	text "Simulator, as make sim SEEDS=$sim_seeds runs it"
	row "seconds" "$took" "" ""
	row "seeds a minute" "$(awk "BEGIN { printf \"%.0f\", $sim_seeds * 60 / $took }")" "" \
		"$(verdict "$took" $((sim_seeds * 60 / sim_aim)) "at least $sim_aim")"
}

### memory

memory_takeovers=2000

# memory_row TITLE WHEN: of the simulator's line about it.
memory_row() {
	line=$(grep "^  memory $2:" "$work/memory") || die "the simulator says nothing of memory $2"
	# shellcheck disable=SC2046 # four numbers
	set -- "$1" $(printf '%s\n' "$line" | sed 's/^[^:]*//' | tr -cs '0-9' ' ')
	row "$1: allocated" "$2 KiB" "$3 KiB" "grows by $(($3 - $2)) KiB"
	row "  resident" "$4 KiB" "$5 KiB" "grows by $(($5 - $4)) KiB"
}

# The file is on a disk, as heird's is: $work is not.
memory() {
	mkdir -p "$root/build/bench-store"
	status=0
	"$root/build/tests/sim/sim" --real-store "$root/build/bench-store" \
		--takeovers "$memory_takeovers" >"$work/memory" 2>&1 8>&- || status=$?
	rm -rf "$root/build/bench-store"
	resumed=$(grep '^  resume after kill' "$work/memory") || resumed=
	grown=$(grep -c 'IT GROWS' "$work/memory") || grown=0
	[ -n "$resumed" ] && { [ $status -eq 0 ] || [ "$grown" -gt 0 ]; } || {
		tail -n 20 "$work/memory" >&2
		die "the simulator's history did not end well"
	}
	text ""
	text "Memory over $memory_takeovers takeovers, journalled in SQLite; hosts and time are the simulator's"
	row "" before after ""
	memory_row "the second half of them" "in the second half"
	memory_row "ten restarts, from the first" "after one restart and after ten"
	row "of the two that grow more than they may" "$grown" "" "$(verdict "$grown" 1 none)"
	row "" median worst ""
	row "opening the store until a takeover goes on" \
		"$(expr "$resumed" : '.* median \([0-9.]*\) ms') ms" \
		"$(expr "$resumed" : '.* worst \([0-9.]*\) ms') ms" ""
}
