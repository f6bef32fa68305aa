# SPDX-License-Identifier: Apache-2.0
# Fixture redis_MODE; core/test_redis_MODE has its folder in STOA_TEST_REDIS.
add_library(wall_clock SHARED ${CMAKE_SOURCE_DIR}/tests/servers/wall_clock.c)
target_compile_options(wall_clock PRIVATE -fno-sanitize=all)
target_link_options(wall_clock PRIVATE -fno-sanitize=all)
foreach(mode standalone cluster sentinel)
  set(folder ${CMAKE_BINARY_DIR}/servers/redis-${mode})
  add_test(NAME servers/redis_${mode}_start COMMAND bash ${CMAKE_SOURCE_DIR}/tests/servers/redis.sh ${mode} ${folder})
  add_test(NAME servers/redis_${mode}_stop COMMAND bash ${CMAKE_SOURCE_DIR}/tests/servers/redis.sh stop ${folder})
  set_tests_properties(servers/redis_${mode}_start PROPERTIES FIXTURES_SETUP redis_${mode} LABELS servers TIMEOUT 60
    ENVIRONMENT "STOA_TEST_CLOCK=$<TARGET_FILE:wall_clock>")
  set_tests_properties(servers/redis_${mode}_stop PROPERTIES FIXTURES_CLEANUP redis_${mode} LABELS servers TIMEOUT 60)
  set_tests_properties(core/test_redis_${mode} PROPERTIES FIXTURES_REQUIRED redis_${mode} LABELS servers
    RESOURCE_LOCK redis_${mode} ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=0;STOA_TEST_REDIS=${folder}")
endforeach()

# test_bus_redis MODE is one program.
foreach(mode standalone cluster sentinel)
  set(name core/test_bus_redis)
  if(NOT mode STREQUAL standalone)
    set(name core/test_bus_redis_${mode})
    add_test(NAME ${name} COMMAND test_bus_redis ${mode})
  endif()
  set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED redis_${mode} LABELS servers TIMEOUT 180
    RESOURCE_LOCK redis_${mode} ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=0;STOA_TEST_REDIS=${CMAKE_BINARY_DIR}/servers/redis-${mode}")
endforeach()

# The state that workers share.
foreach(name state fleet_limiter redis_room shared_cache store_cached epoch_floors)
  set_tests_properties(core/test_${name} PROPERTIES FIXTURES_REQUIRED redis_standalone LABELS servers TIMEOUT 180
    RESOURCE_LOCK redis_standalone ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=0;STOA_TEST_REDIS=${CMAKE_BINARY_DIR}/servers/redis-standalone")
endforeach()

# The contract of stores, with Redis in front of SQLite, and (tests/servers/postgres.cmake) of PostgreSQL.
add_test(NAME core/test_store_cached_contract COMMAND test_store)
set_tests_properties(core/test_store_cached_contract PROPERTIES FIXTURES_REQUIRED redis_standalone LABELS servers
  TIMEOUT 180 RESOURCE_LOCK redis_standalone ENVIRONMENT
  "ASAN_OPTIONS=detect_stack_use_after_return=0;STOA_TEST_REDIS=${CMAKE_BINARY_DIR}/servers/redis-standalone")
