# SPDX-License-Identifier: GPL-2.0
#
# The front door; the work is done by scripts/ and qemu/. Not to be confused with Kbuild, which the kernel's build reads.

.DEFAULT_GOAL := help

KERNEL_CONFIG ?= lean
SMP ?= 2
MEM ?= 1024
TIMEOUT ?= 600
CYCLES ?= 100
SEED ?= 1
CLIENT ?= rnfs4
LLVM ?= 1
export KERNEL_TARBALL RNFS4_CACHE DEBIAN_MIRROR JOBS

# make ends with 2 whatever a recipe ended with. "run", "vm" and "shell" shall end with the guest's own status (the script's, or 124 on
# time-out), so each is in two parts: "<name>-guest" runs the guest and notes its status, and then a function that is loaded into make
# ends it with that.
ifneq ($(filter run vm shell,$(MAKECMDGOALS)),)
STATUS := out/make-status.$(shell echo $$PPID)
guest = @qemu/run $(1); echo $$? >$(STATUS)
-load out/make-exit.so(make_exit_gmk_setup)
out/make-exit.so: scripts/make-exit.c
	@mkdir -p out
	@scripts/toolchain clang -shared -fPIC -nostdlib -O2 -Wall -Wextra -o $@ $<
run vm shell: %: %-guest
	$(exit $(shell cat $(STATUS); rm -f $(STATUS)))
endif

.PHONY: help run run-guest test kernel rootfs helper module modules vm vm-guest shell shell-guest selftests torture host-test fuzz bench bench-cpu bench-recovery lint clean

help:
	@echo 'rnfs4: an NFSv4.1/4.2 client for Linux, in Rust'
	@echo
	@echo '  make run          the whole story: builds what is missing, then a mount that survives three server restarts'
	@echo '  make test         everything that is checked: host tests, lint, selftests in the guest (FULL=1: at full length, hours)'
	@echo
	@echo '  make modules KDIR=<built 7.3 tree>    rnfs4.ko with your own kernel and toolchain'
	@echo '  make module       rnfs4.ko for the guest          [KERNEL_CONFIG=lean|debug]'
	@echo '  make kernel       the pinned kernel               [KERNEL_CONFIG=lean|debug] [KERNEL_TARBALL=<file>]'
	@echo '  make helper       out/guest-bin/mount.rnfs4, which resolves host names for mount(8)'
	@echo '  make rootfs       the root file system of the guest'
	@echo '  make vm SCRIPT=<file>    runs a bash script of yours in the guest; see docs/testing.md'
	@echo '                           [KERNEL_CONFIG=lean|debug] [SMP=2] [MEM=1024] [TIMEOUT=600]'
	@echo '  make shell        a root shell in the guest, with the server up and mounted'
	@echo '  make selftests    the tests in the guest          [TESTS="name ..."] [KERNEL_CONFIG=lean|debug]'
	@echo '  make torture      power cuts and other mischief   [CYCLES=100] [SEED=1] [CLIENT=rnfs4|nfs4] [KERNEL_CONFIG=lean|debug]'
	@echo '  make host-test    the tests of the protocol crate, by cargo on the host'
	@echo '  make fuzz         what reads bytes of a server, by libFuzzer   [RUNS=<n> | SECONDS=60] [TARGETS="name ..."]'
	@echo '  make bench        everyday work with both clients, beside each other   [DELAY=0,2,10] [RUNS=5] [WORKLOADS=a,b] [SCALE=1]'
	@echo '  make bench-cpu    the same, as instructions of the guest   [RUNS=2] [WORKLOADS=a,b] [SCALE=1]'
	@echo '  make bench-recovery   server up -> open files back, both clients   [COUNTS=1,100,2000,20000] [DELAY=0,2,10]'
	@echo '  make lint         formatting, clippy, and the rules of the house'
	@echo '  make clean        removes out/, not the cache'
	@echo
	@echo 'Kernels, the toolchain and the root file system are kept in $${RNFS4_CACHE:-/var/cache/rnfs4}.'

run-guest: module
	@rm -f out/run/timeline.*
	$(call guest,--timeout 900 --out out/run qemu/story/story.sh)
	@[ ! -s out/run/timeline.events ] || { scripts/plot timeline out/run/timeline.events out/run/timeline.svg && \
		echo 'The picture: out/run/timeline.svg'; } || echo 'There is no picture of it.'

# DELAY and WORKLOADS are lists with commas: milliseconds added to each round trip, and some of the workloads in docs/benchmarks.md.
BENCH = $(foreach name,RUNS WORKLOADS SCALE,$(if $($(name)),$(name)=$($(name))))
bench: module
	@qemu/bench/run clients $(if $(DELAY),DELAY=$(DELAY)) $(BENCH)

bench-cpu: module
	@qemu/bench/run instructions $(BENCH)

# COUNTS and DELAY are lists with commas: open files, and milliseconds added to each round trip.
bench-recovery: module
	@qemu/bench/run recovery $(if $(COUNTS),COUNTS=$(COUNTS)) $(if $(DELAY),DELAY=$(DELAY))

test:
	@scripts/test

kernel:
	@scripts/kernel $(KERNEL_CONFIG)

rootfs:
	@scripts/rootfs

helper:
	@scripts/mount-helper

module:
	@scripts/module $(KERNEL_CONFIG)

# With the user's own tree and tools: nothing of ours is needed, so what is missing is theirs, and said in one line.
modules:
	@scripts/check-kdir '$(KDIR)' '$(LLVM)'
	@mkdir -p out/modules
	$(MAKE) -C '$(KDIR)' M='$(CURDIR)' MO='$(CURDIR)/out/modules' LLVM=$(LLVM) modules
	@echo 'built out/modules/rnfs4.ko'

vm-guest: module
	$(call guest,--config $(KERNEL_CONFIG) --smp $(SMP) --mem $(MEM) --timeout $(TIMEOUT) '$(SCRIPT)')

shell-guest: module
	$(call guest,--config $(KERNEL_CONFIG) --smp $(SMP) --mem $(MEM) --shell)

selftests: module
	@qemu/selftests/run --config $(KERNEL_CONFIG) $(TESTS)

TORTURED := out/torture/$(SEED)$(if $(filter-out rnfs4,$(CLIENT)),-$(CLIENT))
torture: module
	@status=0; \
	qemu/torture/run --cycles $(CYCLES) --seed $(SEED) --client $(CLIENT) --config $(KERNEL_CONFIG) $(if $(ONLY),--only $(ONLY)) \
		--out $(TORTURED) || status=$$?; \
	scripts/plot timeline $(TORTURED)/timeline.events $(TORTURED)/timeline.svg && echo 'the time line: $(TORTURED)/timeline.svg'; \
	exit $$status

host-test:
	@scripts/host-test

fuzz:
	@scripts/fuzz $(if $(RUNS),--runs $(RUNS)) $(if $(SECONDS),--seconds $(SECONDS)) $(TARGETS)

lint:
	@scripts/lint

clean:
	rm -rf out
