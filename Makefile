# Saffron. Sources are found by folder, so a new file needs no line here.
#
#   make run        install what is missing, build, start (PLAIN=1: for screen readers, remembered; PLAIN=0: screens
#                   again; ARGS=: what else to say to the program)
#   make test       install what is missing, build, run every test
#   make            build/saffron             make asan | tsan   the tests under a sanitizer
#   make check      the tests only            make bench         the benchmarks
#   make gpu-test   the CUDA kernels against the scalar reference; needs nvcc, a C compiler and a GPU, nothing else
#   make gpu-bench  their times (SANITIZE=1 with gpu-test: under compute-sanitizer; EXHAUSTIVE=1: all 2^32 floats)
#   make exhaustive every float through every encoder, about an hour of one core
#   make clean                                make fuzz          the fuzz drivers under libFuzzer, FUZZ_SECONDS each
#   make aarch64    kernels and their tests by cross compiler, run by qemu
#   make pictures   those of README.md
#   make install | uninstall                  PREFIX=/usr/local DESTDIR=
#
# NVCC= (nothing) leaves the CUDA module out; CUDA_ARCHS="90a" builds it for some cards only.
# Knobs: B=dir (build folder), DEV=1 (-Werror), SAN=address,undefined, CC, CFLAGS and LDFLAGS (added last), V=1 (say the
# commands). A change of any of them builds anew.

B      ?= build
CC     ?= cc
PREFIX ?= /usr/local
JOBS   ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
Q      := $(if $(V),,@)
SAY    := $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),@:,@printf '%-5s %s\n')

BASE := -std=c11 -ffp-contract=off -D_GNU_SOURCE -I. -g -MMD -MP -pthread
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla
OPT  := -O2
ifeq ($(DEV),1)
WARN += -Werror
endif
ifneq ($(SAN),)
SANF := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

# Homebrew keeps some libraries out of pkg-config's path.
ifeq ($(shell uname -s),Darwin)
export PKG_CONFIG_PATH := $(PKG_CONFIG_PATH):$(shell brew --prefix)/opt/ncurses/lib/pkgconfig
endif

pkg      = $(shell pkg-config $(1) 2>/dev/null)
LUA     := $(firstword $(foreach p,lua5.4 lua-5.4 lua54 lua,$(if $(call pkg,--modversion '$(p) >= 5.4'),$(p))))
PKGS    := ncursesw $(LUA) sqlite3 jansson libutf8proc
PKGLIBS := $(if $(LUA),$(call pkg,--libs $(PKGS)))
PKGINC  := $(call pkg,--cflags $(PKGS))
LIBS     = $(PKGLIBS) -lm -ldl -pthread
TESTLIBS = $(call pkg,--libs cmocka)

SRC   := $(filter-out kernels/module_%,$(wildcard kernels/*.c engine/*.c db/*.c tutor/*.c))
OBJ   := $(SRC:%.c=$(B)/obj/%.o)
MAIN  := $(B)/obj/tutor/main.o
LIB   := $(B)/libsaffron.a
TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/test_*.c))
FUZZ  := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/fuzz_*.c))
BENCH := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/bench_*.c))

LESSONS := $(wildcard lessons/*.lua)
DATA    := $(patsubst %,$(B)/data/%,$(wildcard kernels/*.[ch] kernels/*.cu kernels/*.cuh) $(shell find lessons -type f ! -path 'lessons/pictures/*' ! -name '.*' 2>/dev/null)) $(LESSONS:%.lua=$(B)/data/%.json)

# Modules, opened by the lab when first used: each only where its library is.
BLAS    := $(call pkg,--libs openblas)
MODULES := $(if $(BLAS),$(patsubst kernels/module_%.c,$(B)/lib/saffron_%.so,$(wildcard kernels/module_blas.c)))

# The CUDA module: every .cu file for the cards of CUDA_ARCHS, and PTX of the last for later ones. The runtime is linked
# in, the driver is opened when first used.
NVCC       ?= $(or $(shell command -v nvcc 2>/dev/null),$(wildcard /usr/local/cuda/bin/nvcc))
CUDA_ARCHS ?= 80 90a 100 120
CUDA_SRC   := $(wildcard kernels/*.cu)
CUDA_OBJ   := $(CUDA_SRC:%.cu=$(B)/obj/%.cu.o)
CUDA_PTX   := -gencode arch=compute_120,code=compute_120
CUDA_CODE   = $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$a,code=sm_$a) $(if $(filter 120,$(CUDA_ARCHS)),$(CUDA_PTX))
NVCOMPILE   = $(NVCC) -std=c++17 -O3 -ftz=false -prec-div=true --fmad=false -I. -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra,-O2 \
              $(if $(filter 1,$(DEV)),-Werror all-warnings) -lineinfo --compress-mode=size $(CUDA_CODE) $(NVFLAGS)
ifneq ($(if $(SAN),,$(if $(CUDA_SRC),$(NVCC))),)
MODULES += $(B)/lib/saffron_cuda.so
endif

# A lesson that is gone from lessons/ leaves the map.
STALE = $(filter-out $(DATA),$(wildcard $(B)/data/lessons/*.lua $(B)/data/lessons/*.json))

all: $(B)/saffron $(DATA) $(MODULES)
	@$(if $(STALE),rm -f $(STALE))

$(B)/saffron: $(MAIN) $(LIB)
	$(SAY) LINK $@
	$(Q)$(CC) $(SANF) -o $@ $^ $(LIBS) $(LDFLAGS)

# The library is made anew from its list, so that the object of a deleted source does not stay in it.
$(LIB): $(filter-out $(MAIN),$(OBJ)) $(B)/objects
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)

# ISA is per file: one source is one instruction set, chosen at run time by kernels/cpu.c.
ifneq ($(filter x86_64 amd64,$(shell $(CC) -dumpmachine 2>/dev/null | cut -d- -f1)),)
%_avx2.o:   ISA := -mavx2 -mfma -mf16c
%_avx512.o: ISA := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx2 -mfma -mf16c
endif

COMPILE = $(CC) $(BASE) $(WARN) $(OPT) $(SANF) $(ISA) $(PKGINC) $(CFLAGS)

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(COMPILE) -c -o $@ $<

$(B)/tests/%: tests/%.c $(LIB)
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(COMPILE) -MT $@ -MF $@.d -o $@ $< $(LIB) $(TESTLIBS) $(LIBS) $(LDFLAGS)

$(B)/tests/fake_cuda.so: tests/fake_cuda.c $(B)/flags
	@mkdir -p $(@D)
	$(SAY) CC $@
	$(Q)$(COMPILE) -fPIC -shared -MF $@.d -o $@ $< $(LDFLAGS)

$(B)/lib/saffron_blas.so: kernels/module_blas.c $(B)/flags
	@mkdir -p $(@D)
	$(SAY) CC $@
	$(Q)$(COMPILE) -fPIC -shared -MF $@.d -o $@ $< $(BLAS) $(LDFLAGS)

$(B)/obj/%.cu.o: %.cu $(B)/cuda-flags
	@mkdir -p $(@D)
	$(SAY) NVCC $<
	$(Q)$(NVCOMPILE) -MMD -MF $@.d -c -o $@ $<

$(B)/lib/saffron_cuda.so: $(CUDA_OBJ)
	@mkdir -p $(@D)
	$(SAY) NVCC $@
	$(Q)$(NVCC) -shared -cudart static -o $@ $^ -Xlinker --exclude-libs,ALL

# The tests and benchmarks of the CUDA kernels link kernels/*.c alone, compiled without what pkg-config knows.
GPU_OBJ := $(patsubst %.c,$(B)/gpu/%.o,$(filter kernels/%,$(SRC)))
GPU_RUN := $(B)/gpu/gpu_test $(B)/gpu/gpu_bench

$(B)/gpu/%.o: PKGINC :=
$(B)/gpu/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(COMPILE) -c -o $@ $<

# Each program is tests/gpu_NAME.c and its parts, tests/gpu_NAME_*.c.
gpu-parts = $(patsubst %.c,$(B)/gpu/%.o,$(wildcard tests/gpu_$(1).c tests/gpu_$(1)_*.c))
$(B)/gpu/gpu_test: $(call gpu-parts,test)
$(B)/gpu/gpu_bench: $(call gpu-parts,bench)

$(GPU_RUN): $(GPU_OBJ)
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) $(SANF) -o $@ $^ -lm -ldl -pthread $(LDFLAGS)

gpu-test gpu-bench: gpu-%: $(B)/gpu/gpu_% $(if $(NVCC),$(B)/lib/saffron_cuda.so)
	@sh tests/gpu.sh $* $(B)

# What a lesson looks like to the tutor; made here so that the map draws before the lab has started.
$(B)/data/lessons/%.json: lessons/%.lua $(B)/saffron
	@mkdir -p $(@D)
	$(SAY) LUA $<
	$(Q)$(B)/saffron lab --document $< >$@.new && mv $@.new $@

$(B)/data/%: %
	@mkdir -p $(@D)
	@cp $< $@

# Stamps whose time changes only when their text does: the flags (and the libraries found), and the list of objects.
stamp = @mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(1))' >$@

ifeq ($(PKGLIBS),)
$(B)/flags: FORCE
	@CC='$(CC)' sh tutor/deps.sh check
else
$(B)/flags: FORCE
	$(call stamp,$(COMPILE) $(LIBS) $(LDFLAGS))
endif

$(B)/cuda-flags: FORCE
	$(call stamp,$(NVCOMPILE))

$(B)/objects: FORCE
	$(call stamp,$(OBJ))

# Set-up, then a make of its own: what pkg-config says may have changed.
QUIETLY = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

run:
	@CC='$(CC)' sh tutor/deps.sh run
	+@$(QUIETLY) all
	@$(if $(PLAIN),,echo 'screen reader? make run PLAIN=1 (remembered)')
	@$(if $(filter 0 off no,$(PLAIN)),$(B)/saffron set plain off)
	@$(B)/saffron $(if $(filter-out 0 off no,$(PLAIN)),--plain) $(ARGS)

test:
	@CC='$(CC)' sh tutor/deps.sh test
	+@$(QUIETLY) check

tests: all $(TESTS) $(FUZZ) $(B)/tests/fake_cuda.so

check: tests
	@SAFFRON_MAKE='$(MAKE) $(MAKEOVERRIDES)' tests/run $(B)

asan:
	+@ASAN_OPTIONS=detect_leaks=1 $(QUIETLY) B=build/asan SAN=address,undefined check

# Without address randomization where that is allowed: older ThreadSanitizers cannot place their memory otherwise. A
# crash is ours to handle: a test looks at what it leaves on the terminal.
tsan:
	+@TSAN_OPTIONS=handle_segv=0 TEST_TIMEOUT=1200 $(shell setarch -R true 2>/dev/null && echo setarch -R) $(QUIETLY) B=build/tsan SAN=thread check

bench: all $(BENCH)
	@for b in $(BENCH) $(wildcard tests/bench_*.sh); do \
	    echo "== $${b##*/}"; export SAFFRON=$(abspath $(B))/saffron; \
	    case $$b in *.sh) sh $$b ;; *) $$b ;; esac || exit 1; done

# All 2^32 floats through every encoder of the formats of at most 16 bits; all 2^31 magnitudes and 10^8 random blocks
# through every encoder that finds scales. An hour of one core, shared by all. FORMATS="e4m3 int8" names some;
# EXHAUSTIVE_SECONDS=N stops each part of the first after N seconds.
EXHAUSTIVE_SECONDS ?= 0
parts = for f in $$($(1) --list); do case " $(or $(FORMATS),$$f) " in *" $$f "*) \
            for i in $$(seq 0 15); do echo $$f:$$i/16; done ;; esac; done
exhaustive: $(B)/tests/exhaustive_format $(B)/tests/exhaustive_blocks
	@$(call parts,$<) | xargs -n 1 -P $(JOBS) $< --seconds $(EXHAUSTIVE_SECONDS)
	@$(call parts,$(word 2,$^)) | xargs -n 1 -P $(JOBS) $(word 2,$^)

# Each driver with libFuzzer, from its replay corpus; new inputs stay in the build folder.
FUZZ_SECONDS ?= 60
FUZZERS := $(patsubst tests/%.c,build/fuzz/bin/%,$(wildcard tests/fuzz_*.c))
fuzz:
	@command -v clang >/dev/null || { echo "saffron: 'make fuzz' needs clang" >&2; exit 2; }
	+@$(QUIETLY) B=build/fuzz CC=clang SAN=address,undefined CFLAGS='-fsanitize=fuzzer-no-link $(CFLAGS)' fuzzers
	@failed=; for f in $(FUZZERS); do name=$${f##*/fuzz_}; new=build/fuzz/corpus/$$name; mkdir -p $$new; \
	    echo "fuzz_$$name: $(FUZZ_SECONDS) s"; \
	    $$f -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -artifact_prefix=build/fuzz/$$name- $$new \
	        $$(ls -d tests/corpus/$$name 2>/dev/null) || failed="$$failed fuzz_$$name"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed; the inputs lie in build/fuzz" >&2; exit 1; }

fuzzers: $(FUZZERS)

build/fuzz/bin/%: tests/%.c $(LIB)
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(COMPILE) -DLIBFUZZER -fsanitize=fuzzer -MT $@ -MF $@.d -o $@ $< $(LIB) $(LIBS) $(LDFLAGS)

# The kernels on another architecture: the tests that include nothing but kernels/, where a cross compiler, its cmocka
# and qemu are installed (Debian: gcc-aarch64-linux-gnu qemu-user libcmocka-dev:arm64).
CROSS        ?= aarch64-linux-gnu-gcc
KERNEL_TESTS := $(patsubst tests/%.c,$(B)/kernel-tests/%,$(shell grep -l '"kernels/' tests/test_*.c 2>/dev/null | \
                xargs -r grep -LE '#include ("(engine|db|tutor)/|"tests/lab|<jansson)'))
aarch64:
	+@command -v $(CROSS) >/dev/null && command -v qemu-aarch64 >/dev/null || { echo 'skipped: no $(CROSS) or no qemu-aarch64 here'; exit 0; }; \
	echo 'int main(void) { return 0; }' | $(CROSS) -x c - -lcmocka -o /dev/null 2>/dev/null || \
	    { echo 'skipped: no cmocka for $(CROSS) here'; exit 0; }; \
	$(QUIETLY) B=build/aarch64 CC=$(CROSS) run-kernel-tests

run-kernel-tests: $(KERNEL_TESTS) $(filter $(B)/obj/kernels/%,$(OBJ))
	@for t in $(KERNEL_TESTS); do echo $$t; CMOCKA_MESSAGE_OUTPUT=TAP qemu-aarch64 $$t || exit 1; done

$(B)/kernel-tests/%: tests/%.c $(filter $(B)/obj/kernels/%,$(OBJ))
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(COMPILE) -MT $@ -MF $@.d -o $@ $(filter %.c %.o,$^) -lcmocka -lm $(LDFLAGS)

# The picture of README.md: a guess is committed in plain mode, then the reveal is drawn.
pictures: all
	@mkdir -p lessons/pictures; set -e; home=$$(mktemp -d); export SAFFRON_NOW=2026-01-01T09:00:00Z; \
	printf '5\n@50\n' | $(B)/saffron quantization:zeros --plain --seed 7 --db $$home/p.db >/dev/null; \
	$(B)/saffron shot quantization:zeros --db $$home/p.db --size 80x44 -o lessons/pictures/reveal.svg; rm -r $$home

BIN   = $(DESTDIR)$(PREFIX)/bin
MODS  = $(DESTDIR)$(PREFIX)/lib/saffron
SHARE = $(DESTDIR)$(PREFIX)/share
# completion of each shell: source:place under share/
COMPLETIONS := saffron.bash:bash-completion/completions/saffron _saffron:zsh/site-functions/_saffron \
               saffron.fish:fish/vendor_completions.d/saffron.fish

# The commands and options of the man page come from the program's own help.
$(B)/saffron.1: tutor/saffron.1 tutor/manual.awk $(B)/saffron
	$(Q)$(B)/saffron --help | awk -f tutor/manual.awk - $< >$@

install: all $(B)/saffron.1
	@mkdir -p $(BIN) $(SHARE)/saffron $(SHARE)/man/man1 $(SHARE)/doc/saffron
	install -m 755 $(B)/saffron $(BIN)/saffron
	install -m 644 $(B)/saffron.1 $(SHARE)/man/man1/saffron.1
	@$(if $(MODULES),mkdir -p $(MODS) && install -m 755 $(MODULES) $(MODS))
	install -m 644 LICENSE README.md $(SHARE)/doc/saffron
	@for c in $(COMPLETIONS); do to=$(SHARE)/$${c#*:}; mkdir -p $${to%/*}; \
	    install -m 644 tutor/completions/$${c%%:*} $$to || exit 1; done
	@for d in $(DATA:$(B)/data/%=%); do mkdir -p $(SHARE)/saffron/$${d%/*}; \
	    install -m 644 $(B)/data/$$d $(SHARE)/saffron/$$d || exit 1; done

# What editors know about lessons: checked in, and a test says when it is stale.
stubs: $(B)/saffron
	$(B)/saffron lab --stubs >lessons/stubs/saffron.d.lua

uninstall:
	rm -f $(BIN)/saffron $(SHARE)/man/man1/saffron.1 $(foreach c,$(COMPLETIONS),$(SHARE)/$(lastword $(subst :, ,$(c))))
	rm -rf $(SHARE)/saffron $(SHARE)/doc/saffron $(MODS)

clean:
	rm -rf build

.PHONY: gpu-test gpu-bench exhaustive stubs all run test tests check asan tsan bench fuzz fuzzers aarch64 run-kernel-tests pictures install uninstall clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

-include $(OBJ:.o=.d) $(B)/tests/fake_cuda.so.d $(CUDA_OBJ:=.d) $(GPU_OBJ:.o=.d) $(patsubst %.c,$(B)/gpu/%.d,$(wildcard tests/gpu_*.c)) $(MODULES:=.d) $(TESTS:=.d) $(FUZZ:=.d) $(BENCH:=.d) $(KERNEL_TESTS:=.d)
