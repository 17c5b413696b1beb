# Saffron. Sources are found by folder, so a new file needs no line here.
#
#   make            build/saffron             make asan | tsan   the tests under a sanitizer
#   make run        set up, build, start      make bench         the benchmarks
#   make test       set up, build, all tests  make install       PREFIX=/usr/local DESTDIR=
#   make check      the tests only            make clean
#
# Knobs: B=dir (build folder), DEV=1 (-Werror), SAN=address,undefined, CC, CFLAGS (added last).

B      ?= build
CC     ?= cc
PREFIX ?= /usr/local

BASE := -std=c11 -ffp-contract=off -D_GNU_SOURCE -I. -g -MMD -MP -pthread
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla
OPT  := -O2
ifeq ($(DEV),1)
WARN += -Werror
endif
ifneq ($(SAN),)
SANF := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

PKGS     := ncursesw lua5.4 sqlite3 jansson libutf8proc
PKGFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS     := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -ldl -pthread
TESTLIBS := $(shell pkg-config --libs cmocka 2>/dev/null)

SRC   := $(wildcard kernels/*.c engine/*.c db/*.c tutor/*.c)
OBJ   := $(SRC:%.c=$(B)/obj/%.o)
LIB   := $(B)/libsaffron.a
TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/test_*.c))
FUZZ  := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/fuzz_*.c))
BENCH := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/bench_*.c))

LUA_LESSONS := $(wildcard lessons/*.lua)
DATA        := $(LUA_LESSONS:%=$(B)/data/%) \
               $(patsubst %,$(B)/data/%,$(wildcard lessons/tensors/* lessons/configs/* lessons/stubs/*))

all: $(B)/saffron $(DATA)

$(B)/saffron: $(B)/obj/tutor/main.o $(LIB)
	$(CC) $(SANF) -o $@ $^ $(LIBS) $(LDFLAGS)

$(LIB): $(filter-out $(B)/obj/tutor/main.o,$(OBJ))
	rm -f $@ && ar rcs $@ $^

# ISA is per file: one source is one instruction set, chosen at run time by kernels/cpu.c.
ifneq ($(filter x86_64 amd64,$(shell $(CC) -dumpmachine | cut -d- -f1)),)
$(B)/obj/%_avx2.o:   ISA := -mavx2 -mfma -mf16c
$(B)/obj/%_avx512.o: ISA := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx2 -mfma -mf16c
endif

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(WARN) $(OPT) $(SANF) $(ISA) $(PKGFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/tests/%: tests/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(BASE) $(WARN) $(OPT) $(SANF) $(PKGFLAGS) $(CFLAGS) -MF $@.d -o $@ $< $(LIB) $(TESTLIBS) $(LIBS) $(LDFLAGS)

$(B)/data/%: %
	@mkdir -p $(@D)
	@cp $< $@

tests: all $(TESTS) $(FUZZ)

test: check

check: tests
	@tests/run $(B)

clean:
	rm -rf build

.PHONY: all tests test check clean
.SECONDARY:

-include $(OBJ:.o=.d) $(TESTS:=.d) $(FUZZ:=.d) $(BENCH:=.d)
