# Build-wide options and compiler settings. Everything is applied through the targets that GantryTargets makes.
option(GANTRY_TESTS "Build the tests" ON)
option(GANTRY_BENCH "Build the benchmarks" OFF)
option(GANTRY_FUZZ "Build the fuzzers (clang only)" OFF)
option(GANTRY_WERROR "Treat warnings as errors" OFF)
set(GANTRY_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, e.g. address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# The program runs from the build tree as it would when installed: bin/gantry beside lib/gantry/plugins/<id>/.
set(GANTRY_BIN_DIR ${CMAKE_BINARY_DIR}/bin)
set(GANTRY_PLUGIN_DIR ${CMAKE_BINARY_DIR}/lib/gantry/plugins)
set(GANTRY_SHARE_DIR ${CMAKE_BINARY_DIR}/share/gantry)

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(gantry_flags INTERFACE)
target_compile_options(gantry_flags INTERFACE -Wall -Wextra -Wconversion $<$<BOOL:${GANTRY_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 warns of overlapping copies inside its own std::string concatenation (GCC bug 105651).
    target_compile_options(gantry_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
find_program(MOLD mold)
if(MOLD)
    target_link_options(gantry_flags INTERFACE -fuse-ld=mold)
endif()
if(GANTRY_SANITIZE)
    target_compile_options(gantry_flags INTERFACE -fsanitize=${GANTRY_SANITIZE} -fno-omit-frame-pointer
                                                  -fno-sanitize-recover=all)
    target_link_options(gantry_flags INTERFACE -fsanitize=${GANTRY_SANITIZE})
    if(GANTRY_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # Boost.Asio has fences, which the sanitizer does not see; the locks around them suffice for it.
        target_compile_options(gantry_flags INTERFACE -Wno-tsan)
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # With instrumentation GCC 12 fails to match the new and delete of coroutine frames.
        target_compile_options(gantry_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-mismatched-new-delete>)
    endif()
endif()

# For all that is made of Boost.Asio's templates, and so for what includes base/http: the vptr check's first look at a type
# opens a pipe, which fails where a test has used up the files that it may open. One object that is compiled with the check
# would bring it into every program that shares the templates' code with it.
add_library(gantry_sockets INTERFACE)
if(GANTRY_SANITIZE MATCHES "undefined")
    target_compile_options(gantry_sockets INTERFACE -fno-sanitize=vptr)
endif()
