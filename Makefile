# cbam-bench: see README.md; `make help` lists the targets.
MODE     ?= release
IMPLS    ?= naive openblas onednn
B        := build/$(if $(filter release,$(MODE)),obj,$(MODE))
PROGRAM  := $(if $(filter release,$(MODE)),build/cbam-bench,$(B)/cbam-bench)
CC       := gcc
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wwrite-strings -Wvla -Wundef -Wformat=2
ifeq ($(DEVELOPER),1)
WARN     += -Werror
endif
OPT_release := -O3
OPT_debug   := -O1 -g
OPT_valgrind := -O1 -g
OPT_san     := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -DSANITIZED
CFLAGS   := -std=c11 -D_GNU_SOURCE $(OPT_$(MODE)) -fopenmp $(WARN) $(CFLAGS_EXTRA)
CPPFLAGS := -I. -I$(B)

# OpenBLAS: the OpenMP flavour by its own directory, because all flavours share one soname.
BLAS_DIR := $(firstword $(wildcard /usr/lib/*/openblas-openmp))
BLAS_INC := $(firstword $(wildcard /usr/include/*/openblas-openmp))

HEADER_jansson   := jansson.h
HEADER_cyaml     := cyaml/cyaml.h
HEADER_sqlite    := sqlite3.h
HEADER_random123 := Random123/philox.h
HEADER_zlib      := zlib.h
HEADER_png       := png.h
HEADER_jpeg      := jpeglib.h
HEADER_cmocka    := cmocka.h
HEADER_onednn    := dnnl.h
have = $(shell printf '\043include <stdio.h>\n\043include <stdarg.h>\n\043include <stddef.h>\n\043include <setjmp.h>\n\043include <stdint.h>\n\043include <$(1)>\n' | $(CC) -E -xc - >/dev/null 2>&1 && echo yes)

PACKAGE_jansson   := libjansson-dev
PACKAGE_cyaml     := libcyaml-dev
PACKAGE_sqlite    := libsqlite3-dev
PACKAGE_random123 := librandom123-dev
PACKAGE_zlib      := zlib1g-dev
PACKAGE_png       := libpng-dev
PACKAGE_jpeg      := libjpeg62-turbo-dev
PACKAGE_cmocka    := libcmocka-dev
PACKAGE_onednn    := libdnnl-dev
PACKAGE_openblas  := libopenblas-openmp-dev
PACKAGES := build-essential $(foreach p,jansson cyaml sqlite random123 zlib png jpeg cmocka onednn openblas,$(PACKAGE_$(p))) \
            gnuplot-nox dataset-fashion-mnist valgrind libbenchmark-tools python3-scipy

REQUIRED := jansson cyaml sqlite random123 zlib png jpeg
MISSING  := $(strip $(foreach p,$(REQUIRED),$(if $(call have,$(HEADER_$(p))),,$(PACKAGE_$(p)))))
HAS_naive    := yes
HAS_openblas := $(and $(BLAS_DIR),$(BLAS_INC),yes)
HAS_onednn   := $(call have,$(HEADER_onednn))
BUILT    := $(foreach i,$(IMPLS),$(if $(HAS_$(i)),$(i)))
ABSENT   := $(filter-out $(BUILT),$(IMPLS))

# naive is always compiled: other tables name its entries; IMPLS decides what is offered.
DIRS     := impls impls/base impls/fused datasets $(addprefix impls/,$(sort naive $(BUILT))) \
            $(addprefix bench/,net models transfer study measure report regress verbs)
LIBSRC   := $(foreach d,$(DIRS),$(wildcard $(d)/*.c))
LIBOBJ   := $(LIBSRC:%.c=$(B)/%.o)
CPPFLAGS += $(foreach i,$(BUILT),-DHAVE_$(shell echo $(i) | tr a-z A-Z))
LIBS     := -ljansson -lcyaml -lsqlite3 -lpng -ljpeg -lz -lm
ifneq ($(filter openblas,$(BUILT)),)
CPPFLAGS += -I$(BLAS_INC)
LIBS     += $(BLAS_DIR)/libopenblas.so -Wl,-rpath,$(BLAS_DIR)
endif
ifneq ($(filter onednn,$(BUILT)),)
LIBS     += -ldnnl
endif

TESTS    := $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))
SLOW     := $(patsubst tests/%.c,%,$(wildcard tests/slow_*.c))
SUPPORT  := $(patsubst %.c,$(B)/%.o,$(filter-out $(wildcard tests/test_*.c tests/slow_*.c),$(wildcard tests/*.c)))
STUDY    ?= bench/studies/default.yaml
Q        := $(if $(V),,@)
export CBAM_DATA

all: $(PROGRAM) ## build the program
	$(Q)$(foreach i,$(ABSENT),echo "note: built without $(i): package $(PACKAGE_$(i)) is not installed";)
ifeq ($(REQUIRE),all)
	$(Q)$(if $(ABSENT),echo "error: REQUIRE=all but $(ABSENT) is missing" >&2; exit 1,:)
endif

$(PROGRAM): $(B)/bench/main.o $(LIBOBJ)
	@echo "  link $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

$(B)/%.o: %.c | check-packages $(B)/build_info.h
	$(Q)mkdir -p $(@D)
	$(if $(Q),@echo "  cc $<")
	$(Q)$(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

# What made this build: compiler, flags, commit. Rewritten only when it changes.
$(B)/build_info.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)sh bench/build_info.sh "$(CC)" "$(CFLAGS)" "$(BUILT)" > $@.new
	$(Q)cmp -s $@.new $@ && rm $@.new || mv $@.new $@

check-packages:
	$(Q)$(if $(MISSING),echo "error: missing packages: $(MISSING); run: make deps" >&2; exit 1,:)

deps: ## install the Debian packages that are missing (as root; else print the command)
	$(Q)sh bench/deps.sh $(PACKAGES)

$(B)/tests/%: $(B)/tests/%.o $(SUPPORT) $(LIBOBJ)
	@echo "  link $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS) -lcmocka -ldl

ensure-deps:
	$(Q)sh bench/deps.sh --quiet $(PACKAGES)

bench: ensure-deps ## run the default study, or STUDY=file; tables in results/, plots in plots/out/
	$(Q)$(MAKE) --no-print-directory all REQUIRE=all
	$(Q)sh bench/bench.sh $(PROGRAM) $(STUDY)

reference: ensure-deps ## run STUDY=file and keep its report, export and pictures in results/reference/
	$(Q)$(MAKE) --no-print-directory all REQUIRE=all
	$(Q)sh bench/reference.sh $(PROGRAM) $(STUDY)

bench-smoke: ensure-deps ## the same path through everything in about a minute
	$(Q)$(MAKE) --no-print-directory all
	$(Q)sh bench/bench.sh $(PROGRAM) bench/studies/smoke.yaml

test: ensure-deps ## all quick tests (a few minutes)
	$(Q)$(MAKE) --no-print-directory run-tests

run-tests: $(PROGRAM) $(TESTS:%=$(B)/tests/%)
	$(Q)CBAM_BENCH=$(abspath $(PROGRAM)) sh tests/run.sh $(TESTS:%=$(B)/tests/%)

SLOW_PACKAGES := slurmctld slurmd slurm-client munge
test-slow: ensure-deps ## the longer tests as well
	$(Q)sh bench/deps.sh --quiet $(SLOW_PACKAGES) || echo "note: without these slow_slurm is skipped"
	$(Q)$(MAKE) --no-print-directory run-slow

run-slow: $(PROGRAM) $(SLOW:%=$(B)/tests/%)
	$(Q)CBAM_BENCH=$(abspath $(PROGRAM)) TEST_SECONDS=7200 sh tests/run.sh $(SLOW:%=$(B)/tests/%)

test-san: ensure-deps ## the quick tests under the address and undefined-behaviour sanitizers
	$(Q)$(MAKE) --no-print-directory run-tests MODE=san

# Plain C, files and books under memcheck: no library kernels that valgrind cannot follow. Nothing is
# suppressed. JSIMD_FORCENONE: libjpeg-turbo's vector code also computes on the padding behind its
# rows, which memcheck takes for a use of it. CBAM_BENCH_RESTARTED: valgrind cannot follow a program
# that starts itself anew through /proc/self/exe (impls/base/threads.h).
VALGRIND := net program attention files files_write npy pth datasets loader images \
            images_damaged odd_images resize folder folder_batches data_spec settings \
            study_file study_sources store stats table weights_people training
test-valgrind: ensure-deps ## some of the quick tests under valgrind, naive implementation
	$(Q)$(MAKE) --no-print-directory run-valgrind MODE=valgrind IMPLS=naive

run-valgrind: $(PROGRAM) $(VALGRIND:%=$(B)/tests/test_%)
	$(Q)CBAM_BENCH=$(abspath $(PROGRAM)) TEST_SECONDS=1800 JSIMD_FORCENONE=1 CBAM_BENCH_RESTARTED=1 \
	    TEST_WRAPPER="valgrind -q --trace-children=yes --trace-children-skip=/bin/*,/usr/bin/* --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite" \
	    sh tests/run.sh $(VALGRIND:%=$(B)/tests/test_%)

BASE ?= HEAD~1
regress: ensure-deps ## compare two commits, BASE=<git ref>; the verdict is in build/regress/verdict
	$(Q)sh bench/regress/run.sh "$(BASE)"

regress-update: $(PROGRAM) ## write the committed baselines of `regress counts` anew
	$(Q)$(PROGRAM) regress counts --update

plots: $(PROGRAM) ## draw the plots of the newest results again
	$(Q)$(PROGRAM) study report --plots $(STUDY)

ROWS ?= *
peers: build/peers/turns ## beside PyTorch and ONNX Runtime (bench/peers/README.md); ROWS=name,...
	$(Q)/usr/bin/python3 bench/peers/peers.py --only '$(ROWS)'

build/peers/turns: $(B)/bench/peers/turns.o $(LIBOBJ)
	@echo "  link $@"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

PREFIX ?= /usr/local
install: $(PROGRAM) ## install the program under PREFIX
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/cbam-bench

clean: ## remove what was built
	rm -rf build

help: ## list the targets
	$(Q)sed -n 's/^\([a-z][a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 16

FORCE:
.PHONY: all deps ensure-deps check-packages bench reference bench-smoke test run-tests test-slow run-slow \
        test-san test-valgrind run-valgrind regress regress-update peers plots install clean help FORCE
.SECONDARY:
-include $(LIBOBJ:.o=.d) $(B)/bench/main.d $(B)/bench/peers/turns.d $(wildcard $(B)/tests/*.d)
