# The front door. Each target does its own set-up; `make run` and `make test` are all that a newcomer needs.
MODEL  ?= gantry-demo
PROMPT ?= What is Gantry?
PART   ?= all
JOBS   ?= $(shell nproc)
GANTRY  = build/release/bin/gantry

.PHONY: help setup build run test test-release test-asan test-tsan test-long fuzz bench bench-engine bench-front package format lint clean

help:            ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

setup:           ## install what building needs (asks for sudo when not root)
	@packaging/setup.sh build

build: setup     ## build the program: build/release/bin/gantry, its plugins beside it
	@cmake --preset release -DGANTRY_TESTS=OFF -DGANTRY_BENCH=OFF $(CMAKE_ARGS) >/dev/null
	@cmake --build --preset release -j $(JOBS)

run: build       ## build, start a server, launch the demo model and chat with it (MODEL=..., PROMPT=...)
	@$(GANTRY) run $(MODEL) $(if $(PROMPT),"$(PROMPT)") --then-chat

test: test-release test-asan test-tsan ## all set-up, then every test: release, ASan+UBSan, TSan

test-release: build/venv/.ready build/node/.ready
	@packaging/setup.sh build test
	@cmake --preset release -DGANTRY_TESTS=ON -DGANTRY_BENCH=OFF $(CMAKE_ARGS) >/dev/null
	@cmake --build --preset release -j $(JOBS)
	ctest --preset release -j $(JOBS) -LE long $(CTEST_ARGS)

test-asan test-tsan: test-%: build/venv/.ready
	@packaging/setup.sh build test
	@cmake --preset $* -DGANTRY_TESTS=ON $(CMAKE_ARGS) >/dev/null
	@cmake --build --preset $* -j $(JOBS)
	ctest --preset $* -j $(JOBS) -LE "python|long" $(CTEST_ARGS)

test-long: build/venv-long/.ready test ## the longest tests too, and the frameworks' packages
	GANTRY_TEST_LONG=1 ctest --preset release -j 1 -L long $(CTEST_ARGS)

# The clients that the API tests drive live in an environment of their own.
build/venv/.ready: tests/requirements.txt
	@packaging/setup.sh test
	@python3 -m venv build/venv
	@build/venv/bin/pip install -q --disable-pip-version-check -r tests/requirements.txt
	@touch $@

build/venv-long/.ready: tests/requirements-long.txt
	@packaging/setup.sh test
	@python3 -m venv build/venv-long
	@build/venv-long/bin/pip install -q --disable-pip-version-check -r tests/requirements-long.txt
	@touch $@

# Without Node or npm's registry the rest of the tests still runs: those of Node's clients skip, and ctest says so.
build/node/.ready: tests/e2e/node/package.json tests/e2e/node/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || packaging/setup.sh node || true
	@mkdir -p build/node && cp $^ build/node
	@if cd build/node && timeout 180 npm ci --silent --fetch-retries=1 --no-audit --no-fund; then touch .ready; \
	else echo "make: npm could not install Node's clients: their tests will be skipped" >&2; fi

fuzz:            ## every fuzzer for FUZZ_SECONDS (default 60) under ASan+UBSan
	@packaging/setup.sh build test lint
	tests/fuzz/run.sh $(or $(FUZZ_SECONDS),60)

bench:           ## speed and memory, ours against the peer's in one run
	@packaging/setup.sh build test bench
	@cmake --preset release -DGANTRY_TESTS=ON -DGANTRY_BENCH=ON $(CMAKE_ARGS) >/dev/null
	@cmake --build --preset release -j $(JOBS)
	tests/bench/run.sh

bench-engine:    ## what the engine promises: batching, prefix cache, overhead, the null plugin (PART=null,leave,...)
	@packaging/setup.sh build test bench
	@cmake --preset release -DGANTRY_TESTS=ON -DGANTRY_BENCH=ON $(CMAKE_ARGS) >/dev/null
	@cmake --build --preset release -j $(JOBS)
	BENCH=engine_bench.py tests/bench/run.sh --part $(PART)

bench-front:     ## what the HTTP front promises: requests, idle connections, streams (PART=models,idle,streams)
	@packaging/setup.sh build test bench
	@cmake --preset release -DGANTRY_TESTS=ON -DGANTRY_BENCH=ON $(CMAKE_ARGS) >/dev/null
	@cmake --build --preset release -j $(JOBS)
	BENCH=front_bench.py tests/bench/run.sh --part $(PART)

package:         ## .deb, .rpm and .tar.zst in dist/
	@packaging/setup.sh build package
	@cmake --preset release -DGANTRY_TESTS=OFF -DGANTRY_BENCH=OFF $(CMAKE_ARGS) >/dev/null
	@cmake --build --preset release -j $(JOBS)
	@cd build/release && for g in DEB RPM TZST; do cpack -G $$g >/dev/null || exit 1; done
	@ls -l dist

format:          ## clang-format the sources in place
	@packaging/setup.sh lint
	@git ls-files '*.cpp' '*.hpp' '*.h' '*.c' | xargs clang-format-14 -i

lint:            ## clang-format check and clang-tidy
	@packaging/setup.sh build test lint
	@git ls-files '*.cpp' '*.hpp' '*.h' '*.c' | xargs clang-format-14 --dry-run -Werror
	@cmake --preset release -DGANTRY_TESTS=ON -DGANTRY_BENCH=OFF $(CMAKE_ARGS) >/dev/null
	@cmake --build --preset release -j $(JOBS)
	@git ls-files '*.cpp' | grep -v '^tests/' | xargs -P $(JOBS) -n 4 clang-tidy-14 -p build/release --quiet

clean:           ## remove build folders and packages
	rm -rf build dist
