# The front door: `make help` lists what it can do.  The building itself is CMake's.
#
#   PREFIX, DESTDIR   where `make install` puts things (/usr/local)
#   TEXT              what `make demo` learns (the project's own sources)
#   FUZZ_SECONDS      how long `make fuzz` gives each target (60)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
.DEFAULT_GOAL := help
.PHONY: help demo test build bench install test-sanitize test-double fuzz format clean

help: ## this list
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16 | sed 's/^/  /'

demo: ## train a small model for a minute, then let it speak (TEXT=file)
	@tools/setup.sh build
	@tools/build.sh release wkv
	@examples/demo.sh $(if $(TEXT),"$(TEXT)")

test: ## build and run the tests
	@tools/setup.sh build test
	@tools/build.sh release
	@ctest --preset release

build: ## build the program and the library into build/release
	@tools/setup.sh build
	@tools/build.sh release wkv wkv_shared wkv_static

bench: ## measure the kernels and a training step on this machine
	@tools/setup.sh build
	@tools/build.sh release bench_kern bench_train
	@build/release/bench/bench_kern
	@build/release/bench/bench_train profile=1

install: build ## install under PREFIX (and DESTDIR)
	@cmake --install build/release --prefix $(PREFIX)

test-sanitize: ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/setup.sh build test
	@tools/build.sh sanitize
	@ctest --preset sanitize

test-double: ## gradients against finite differences, in double
	@tools/setup.sh build test
	@tools/build.sh double
	@ctest --preset double

fuzz: ## feed every parser hostile input, FUZZ_SECONDS each
	@tools/setup.sh build test fuzz
	@tools/build.sh fuzz fuzz_targets
	@tools/fuzz.sh $(FUZZ_SECONDS)

format: ## lay out all C files with clang-format
	@find src include apps bench tests examples -name '*.[ch]' | xargs clang-format -i

clean: ## remove all that was built
	@rm -rf build
