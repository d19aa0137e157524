/* A model of the takeover protocol for spin: what docs/protocol.md says in words. `make model` runs all of it (tests/model/run).
 *
 * state.pml: what there is; properties.pml: what must hold of it; world.pml: engines, network, agent; walk.pml and manager.pml: what
 * src/resched does; events.pml: in which order, and what goes wrong. A d_step is one event with all its consequences, as one turn
 * of the machine is. */
#include "state.pml"
#include "properties.pml"
#include "world.pml"
#include "walk.pml"
#include "manager.pml"
#include "events.pml"

init {
	atomic {
		faults = FAULTS;
		c_is[1] = 1; c_run[1] = 1; c_started[1] = 1; c_on[1] = 1; c_at[1] = A;
		holder = 1;
		g_up = 1;
		epoch = 1;
		verdict[A] = ALIVE; verdict[B] = ALIVE;
		a_state = AGENT_OK; a_known = 1; a_obeyed = 1;
		m.gen = 1; m.last = 1; m.container = 1; m.node = A; m.verified = 1; m.to = NOBODY; m.row = PLAN; m.abort = CONTINUE;
		highest = 1; claims = BIT(1);
#ifdef BROKEN_NO_JOURNAL
		COPY_JOURNAL(disk, m);
#endif
#ifndef LIVE
		run Monitor();
#endif
		run Manager();
		run Engines();
		run Agent();
		run Faults();
		run Recoveries()
	}
}
