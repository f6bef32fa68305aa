# SPDX-License-Identifier: Apache-2.0
# Fleets: real nodes, real Redis and PostgreSQL, real clients (whose modules are in tests/scenes).
find_program(NODE node REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
file(GLOB fleets CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/cluster/*.test.mjs)
foreach(fleet ${fleets})
  get_filename_component(name ${fleet} NAME_WE)
  add_test(NAME cluster/${name} COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/servers/postgres.py run
    --one --shards 2 -- ${NODE} --test-reporter=spec ${fleet}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(cluster/${name} PROPERTIES TIMEOUT 300 LABELS cluster ENVIRONMENT
    "STOA_BINARY=$<TARGET_FILE:stoa>;ASAN_OPTIONS=detect_stack_use_after_return=0")
endforeach()
