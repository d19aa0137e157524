# heir. One word for each thing: make, make check, asan, fuzz, sim, sim-store, mutants, model, layers, format, tidy, bench, install.
# V=1 shows the commands.
B ?= build
CC ?= gcc
PREFIX ?= /usr/local
MAKEFLAGS += --no-builtin-rules
Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

PACKAGES = libuv libcurl libmicrohttpd gnutls jansson yaml-0.1 sqlite3 libsystemd smartcols ldns
# Of the kernel's side, which heird and heir do not link.
NETLINK_PACKAGES = libmnl libnl-3.0 libnl-route-3.0 libnftables
TEST_PACKAGES = cmocka libmnl libnl-3.0 libnl-route-3.0
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wformat=2 -Wvla
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -Isrc $(WARNINGS) $(EXTRA_CFLAGS) $(CFLAGS)
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) $(NETLINK_PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)
# Only what is used: a program without them stays without them.
NETLINK_LIBS := -Wl,--as-needed $(shell pkg-config --libs $(NETLINK_PACKAGES) 2>/dev/null) -pthread -Wl,--no-as-needed
TEST_LIBS = $(shell pkg-config --libs $(TEST_PACKAGES))
VERSION := 0.1.0

ROOMS = base config http engine health resched net/netlink net/wire net/overlay net/discovery store daemon agent cli
MAINS = src/daemon/main.c src/agent/main.c src/cli/main.c
SOURCES := $(wildcard $(ROOMS:%=src/%/*.c))
LIB_OBJECTS := $(patsubst %.c,$(B)/obj/%.o,$(filter-out $(MAINS),$(SOURCES)))
LIB = $(B)/libheir.a
PROGRAMS = $(B)/heird $(B)/heir $(B)/heir-agent

UNIT := $(patsubst tests/unit/test_%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
SIM_OBJECTS := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/sim/*.c))
# Programs of the laboratory's, which need nothing of ours.
NETNS_ALONE = lossy rubbish
NETNS_SHARED := $(filter-out tests/netns/test_%.c $(NETNS_ALONE:%=tests/netns/%.c),$(wildcard tests/netns/*.c))
NETNS := $(patsubst tests/netns/test_%.c,$(B)/tests/netns/%,$(wildcard tests/netns/test_*.c))
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(filter-out tests/bench/fleet.c,$(wildcard tests/bench/*.c)))

all: $(PROGRAMS)

$(B)/heird: $(B)/obj/src/daemon/main.o $(LIB)
$(B)/heir: $(B)/obj/src/cli/main.o $(LIB)
$(B)/heir-agent: $(B)/obj/src/agent/main.o $(LIB)
$(PROGRAMS):
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(PKG_LIBS) $(LINK_MORE) -lm
$(B)/heir-agent: LINK_MORE = $(NETLINK_LIBS)

# heird with crash points, for the scenarios: the same objects but one.
TEST_HEIRD = $(B)/test/heird
$(TEST_HEIRD): $(B)/obj/src/daemon/main.o $(B)/obj/test/crash.o $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(PKG_LIBS) -lm
$(B)/obj/test/crash.o: src/daemon/crash.c
	$(call say,CC,"$< with crash points")
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -DHEIR_CRASH_POINTS -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/obj/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -DHEIR_VERSION='"$(VERSION)"' -MMD -MP -c -o $@ $<

$(B)/tests/unit/%: $(B)/obj/tests/unit/test_%.o $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(NETLINK_LIBS) -lcmocka -lm

$(B)/tests/sim/sim: $(SIM_OBJECTS) $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

$(B)/obj/tests/netns/%.o: EXTRA_CFLAGS += $(shell pkg-config --cflags $(TEST_PACKAGES))
$(B)/tests/netns/%: $(B)/obj/tests/netns/test_%.o $(NETNS_SHARED:%.c=$(B)/obj/%.o) $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(TEST_LIBS) -lm

$(B)/tests/bench/engines: $(B)/obj/tests/bench/fleet.o
$(B)/tests/bench/%: $(B)/obj/tests/bench/%.o $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(PKG_LIBS) $(NETLINK_LIBS) -lm

# Without root or engines: unit tests and the simulator. `sudo ./run check` runs everything.
SEEDS ?= 2000
check: unit sim
unit: $(UNIT)
	$(Q)tests/run-unit $(UNIT)
sim: $(B)/tests/sim/sim
	$(Q)$(B)/tests/sim/sim --regressions tests/sim/regressions.txt --seeds $(SEEDS)
# Memory over thousands of takeovers, and how fast a killed heird is back. Half a minute; on a disk, as long as its syncs take.
STORE ?= /dev/shm
sim-store: $(B)/tests/sim/sim
	$(Q)$(B)/tests/sim/sim --real-store $(STORE)
# Planted bugs (src/base/mutant.h), each of which the simulator has to find.
MUTANT_SEEDS ?= 3000
mutants:
	$(Q)$(MAKE) B=$(B)/mutants EXTRA_CFLAGS=-DHEIR_MUTANTS $(B)/mutants/tests/sim/sim
	$(Q)$(B)/mutants/tests/sim/sim --mutants --seeds $(MUTANT_SEEDS)
$(NETNS_ALONE:%=$(B)/tests/netns/%): $(B)/tests/netns/%: $(B)/obj/tests/netns/%.o
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lmnl
netns-tests: $(NETNS) $(TEST_HEIRD) $(NETNS_ALONE:%=$(B)/tests/netns/%)

# The protocol's model, searched through by spin: docs/protocol.md. MODEL=--all searches further.
model:
	$(Q)tests/model/run $(MODEL)

SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
asan:
	$(Q)$(MAKE) B=$(B)/asan CFLAGS="-O1 -g $(SANITIZE)" LDFLAGS="$(SANITIZE)" SEEDS=$(SEEDS) check

FUZZ_SECONDS ?= 20
FUZZ_FLAGS = -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
fuzz:
	$(Q)$(MAKE) B=$(B)/fuzzing CC=clang CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzz-run
fuzz-run: $(patsubst tests/fuzz/fuzz_%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
	$(Q)for f in $^; do \
		mkdir -p $(B)/corpus/$$(basename $$f); \
		echo "  FUZZ    $$f"; \
		$$f -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -print_final_stats=0 -verbosity=0 -artifact_prefix=$(B)/crash- \
			$(B)/corpus/$$(basename $$f) $$(ls -d tests/fuzz/corpus/$$(basename $$f) 2>/dev/null) || exit 1; \
	done
$(B)/fuzz/%: $(B)/obj/tests/fuzz/fuzz_%.o $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(FUZZ_FLAGS) -o $@ $^ $(PKG_LIBS) $(NETLINK_LIBS) -lm

layers:
	$(Q)tests/layers

C_FILES = $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h')
format:
	$(Q)clang-format --dry-run --Werror $(C_FILES)
reformat:
	$(Q)clang-format -i $(C_FILES)
tidy:
	$(Q)printf '%s\n' $(SOURCES) | xargs -P2 -n4 sh -c 'clang-tidy --quiet "$$@" -- -std=c17 -D_GNU_SOURCE -Isrc -DHEIR_VERSION=\"0\" $(PKG_CFLAGS) 2>/dev/null' tidy

bench-programs: $(BENCH) $(TEST_HEIRD) $(B)/tests/sim/sim
bench: all bench-programs
	$(Q)tests/bench/run $(ARGS)

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(B)/heird $(DESTDIR)$(PREFIX)/sbin/heird
	install -m 755 $(B)/heir-agent $(DESTDIR)$(PREFIX)/sbin/heir-agent
	install -m 755 $(B)/heir $(DESTDIR)$(PREFIX)/bin/heir
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	for s in heird heir-agent; do \
		sed 's#@SBIN@#$(PREFIX)/sbin#' packaging/$$s.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$s.service || exit 1; \
	done

clean:
	rm -rf $(B)/obj $(B)/tests $(B)/asan $(B)/fuzzing $(B)/mutants $(LIB) $(PROGRAMS)

.PHONY: all check unit sim sim-store mutants model netns-tests asan fuzz fuzz-run layers format reformat tidy bench bench-programs install clean
.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
