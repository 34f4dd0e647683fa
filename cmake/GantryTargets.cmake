# gantry_library(NAME SOURCES ... LINK ...): one static library a folder. Its link list is the folder's permitted
# includes (tests/architecture checks that the sources keep to it).
function(gantry_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK} gantry_flags)
    file(RELATIVE_PATH dir ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    list(JOIN ARG_LINK " " links)
    list(JOIN ARG_PRIVATE_LINK " " private_links)
    set_property(GLOBAL APPEND PROPERTY GANTRY_MODULES "${name} ${dir} ${links} ${private_links}")
endfunction()

# gantry_plugin(ID SOURCES ... LINK ... [NO_INSTALL]): a backend plugin that sees only the SDK. Builds
# lib/gantry/plugins/ID/{ID.gantry.so,plugin.toml}; plugin.toml.in lies beside the plugin's CMakeLists.txt.
function(gantry_plugin id)
    cmake_parse_arguments(ARG "NO_INSTALL" "" "SOURCES;LINK" ${ARGN})
    set(target plugin_${id})
    set(dir ${GANTRY_PLUGIN_DIR}/${id})
    add_library(${target} MODULE ${ARG_SOURCES})
    target_link_libraries(${target} PRIVATE ${ARG_LINK} gantry_flags)
    set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${id} SUFFIX ".gantry.so"
                          LIBRARY_OUTPUT_DIRECTORY ${dir} INSTALL_RPATH "$ORIGIN:$ORIGIN/../..")
    target_link_options(${target} PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/sdk/abi/plugin.map
                        -Wl,--exclude-libs,ALL)
    if(NOT GANTRY_SANITIZE) # a sanitizer's runtime comes with the program
        target_link_options(${target} PRIVATE -Wl,-z,defs)
    endif()
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${CMAKE_SOURCE_DIR}/sdk/abi/plugin.map)
    configure_file(${CMAKE_CURRENT_SOURCE_DIR}/plugin.toml.in ${dir}/plugin.toml @ONLY)
    if(ARG_NO_INSTALL) # for tests only
        return()
    endif()
    install(TARGETS ${target} RUNTIME_DEPENDENCY_SET gantry_libraries LIBRARY DESTINATION lib/gantry/plugins/${id} COMPONENT runtime)
    install(FILES ${dir}/plugin.toml DESTINATION lib/gantry/plugins/${id} COMPONENT runtime)
endfunction()

# gantry_test(NAME SOURCES ... LINK ... [LABELS ...] [DEPENDS targets] [OPTIMIZED]): one GoogleTest program, run test by test
# by ctest. Its own sources are compiled without optimisation, which takes half the time and is quick enough for nearly
# all tests; what computes much itself says OPTIMIZED.
function(gantry_test name)
    cmake_parse_arguments(ARG "OPTIMIZED" "TIMEOUT" "SOURCES;LINK;LABELS;DEPENDS" ${ARGN})
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 120)
    endif()
    if(GANTRY_SANITIZE)
        math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 5")  # a thread sanitizer on a busy machine is that much slower
    endif()
    add_executable(${name} ${ARG_SOURCES})
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest_main gantry_flags)
    target_compile_definitions(${name} PRIVATE GANTRY_SOURCE_DIR="${CMAKE_SOURCE_DIR}" GANTRY_BUILD_DIR="${CMAKE_BINARY_DIR}")
    if(NOT ARG_OPTIMIZED AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
        target_compile_options(${name} PRIVATE -O0)
    endif()
    if(ARG_DEPENDS)
        add_dependencies(${name} ${ARG_DEPENDS})
    endif()
    gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()

# gantry_uses_sockets(targets...): they include Boost.Asio or base/http.
function(gantry_uses_sockets)
    foreach(target ${ARGN})
        target_link_libraries(${target} PRIVATE gantry_sockets)
    endforeach()
endfunction()
