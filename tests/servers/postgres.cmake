# SPDX-License-Identifier: Apache-2.0
# Tests that need PostgreSQL: tests/servers/postgres.py starts servers for each entry, and stops them.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_library(store_scene STATIC ${CMAKE_SOURCE_DIR}/tests/servers/store_scene.c)
target_link_libraries(store_scene PUBLIC core_support)
foreach(program test_pool test_store_crowd test_store_faults test_store_replicas test_store_identity)
  add_executable(${program} ${CMAKE_SOURCE_DIR}/tests/servers/${program}.c)
  target_link_libraries(${program} PRIVATE store_scene)
endforeach()

# stoa_server_test(NAME PROGRAM "OPTION…" ARGUMENT…): servers/NAME runs PROGRAM with ARGUMENT, with servers started with OPTIONs.
function(stoa_server_test name program options)
  separate_arguments(options)
  add_test(NAME servers/${name} COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/servers/postgres.py run ${options}
    -- $<TARGET_FILE:${program}> ${ARGN})
  set_tests_properties(servers/${name} PROPERTIES TIMEOUT 600 LABELS servers ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=0")
endfunction()

# The contract of tests/core/test_store.c: direct, through PgBouncer, with a standby for reads, with Redis in front.
stoa_server_test(store test_store "--one --replicas 1 --bouncer")
set_tests_properties(servers/store PROPERTIES FIXTURES_REQUIRED redis_standalone RESOURCE_LOCK redis_standalone ENVIRONMENT
  "ASAN_OPTIONS=detect_stack_use_after_return=0;STOA_TEST_REDIS=${CMAKE_BINARY_DIR}/servers/redis-standalone")
stoa_server_test(pool test_pool "--one --shards 1 --bouncer")
foreach(scene quorum switchover lossy stall shards)
  stoa_server_test(store_${scene} test_store_faults "--replicas 2 --bouncer" ${scene})
endforeach()

stoa_server_test(store_crowd test_store_crowd "--one")
stoa_server_test(store_replicas test_store_replicas "--replicas 2")

stoa_server_test(store_copies test_store_identity "--shards 1" copies)
stoa_server_test(store_returns test_store_identity "--shards 1 --replicas 2 --global-replicas 1" returns)

# The real server on PostgreSQL.
find_program(NODE node REQUIRED)
add_test(NAME servers/chat_postgres COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/servers/postgres.py run
  -- ${NODE} --test-reporter=spec ${CMAKE_SOURCE_DIR}/tests/servers/postgres.test.mjs WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(servers/chat_postgres PROPERTIES TIMEOUT 600 LABELS servers ENVIRONMENT
  "STOA_BINARY=$<TARGET_FILE:stoa>;ASAN_OPTIONS=detect_stack_use_after_return=0")
add_test(NAME servers/verify COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/servers/postgres.py run --one --shards 2
  -- ${NODE} --test-reporter=spec ${CMAKE_SOURCE_DIR}/tests/servers/verify.test.mjs WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(servers/verify PROPERTIES TIMEOUT 300 LABELS servers ENVIRONMENT
  "STOA_BINARY=$<TARGET_FILE:stoa>;ASAN_OPTIONS=detect_stack_use_after_return=0")
add_test(NAME servers/fleet_backup COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/servers/postgres.py run --shards 2
  -- ${NODE} --test-reporter=spec ${CMAKE_SOURCE_DIR}/tests/servers/fleet_backup.test.mjs WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(servers/fleet_backup PROPERTIES TIMEOUT 300 LABELS servers ENVIRONMENT
  "STOA_BINARY=$<TARGET_FILE:stoa>;ASAN_OPTIONS=detect_stack_use_after_return=0")

# These wait for servers more than for the processor, so `./dev test` runs several at once, each with its own ports and folder.
foreach(name store_quorum store_switchover store_lossy store_shards store_replicas store_copies store_returns chat_postgres verify
    fleet_backup)
  set_tests_properties(servers/${name} PROPERTIES LABELS "servers;waits")
endforeach()
