# SPDX-License-Identifier: Apache-2.0
# All tests are ctest entries.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# Functions through which tests look inside units, beyond their headers (inside.h). It must be linked before the libraries.
file(GLOB core_inside CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/core/inside/*.c)
add_library(core_inside STATIC ${core_inside})
target_include_directories(core_inside PUBLIC ${CMAKE_SOURCE_DIR}/tests/core)
target_link_libraries(core_inside PUBLIC stoa_master)

# tests/core/test_NAME.c: a cmocka program, linked with all of core and tests/core/support/*.c.
file(GLOB core_support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/core/support/*.c)
add_library(core_support STATIC ${core_support})
target_include_directories(core_support PUBLIC ${CMAKE_SOURCE_DIR}/tests/core)
target_link_libraries(core_support PUBLIC core_inside stoa_local_client stoa_master stoa_command stoa_redis PkgConfig::CMOCKA)
target_compile_definitions(core_support PRIVATE SERVERS="${CMAKE_SOURCE_DIR}/tests/servers")
target_compile_definitions(core_support PUBLIC DOCS="${CMAKE_SOURCE_DIR}/docs")
file(GLOB core_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/core/test_*.c)
foreach(source ${core_tests})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE core_support)
  add_test(NAME core/${name} COMMAND ${name})
  set_tests_properties(core/${name} PROPERTIES TIMEOUT 120 LABELS unit ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=0")
endforeach()

# stoa_planted(FAULT PROGRAM TEST): with the planted fault FAULT (base/fault.h), TEST of PROGRAM must fail.
function(stoa_planted fault program test)
  add_test(NAME core/planted_${fault} COMMAND ${program})
  set_tests_properties(core/planted_${fault} PROPERTIES TIMEOUT 120 LABELS unit
    PASS_REGULAR_EXPRESSION "FAILED  \\] ${test}"
    ENVIRONMENT "ASAN_OPTIONS=detect_stack_use_after_return=0:detect_leaks=0;STOA_FAULT=${fault}")
endfunction()
if(STOA_FAULTS)
  stoa_planted(no_head_check test_relay a_lost_tail_is_found_within_two_seconds)
  stoa_planted(no_gap_fill test_relay every_worker_hands_out_one_order_whatever_the_bus_does)
  stoa_planted(mask_ignored test_websocket every_head_of_two_bytes_is_judged_the_same)
  stoa_planted(rsv_ignored test_websocket every_head_of_two_bytes_is_judged_the_same)
  stoa_planted(long_control_frames test_websocket every_head_of_two_bytes_is_judged_the_same)
  stoa_planted(utf8_late test_net_strict text_is_refused_before_its_message_ends)
  stoa_planted(turn_without_budget test_flood events_that_waited_are_answered_in_slices_and_others_come_between)
  stoa_planted(uncharged_sessions test_long_polling a_polling_session_takes_a_seat_until_its_end)
  stoa_planted(close_twice test_net_strict each_close_code_is_echoed_or_refused)
endif()

# tests/fuzz/fuzz_NAME.c has LLVMFuzzerTestOneInput. With STOA_FUZZ it makes a libFuzzer program, and always a program that
# replays tests/fuzz/corpus/NAME/ (tests/fuzz/replay.c). Shared code is in tests/fuzz/support/*.c.
file(GLOB fuzz_support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/support/*.c)
add_library(fuzz_support STATIC ${fuzz_support} ${CMAKE_SOURCE_DIR}/tests/core/support/slow_websocket.c)
target_include_directories(fuzz_support PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR}/tests/fuzz)
target_link_libraries(fuzz_support PUBLIC core_inside stoa_local_client stoa_lua)
target_compile_definitions(fuzz_support PRIVATE FUZZ_SCRIPTS="${CMAKE_SOURCE_DIR}/tests/fuzz/scripts")
file(GLOB fuzzers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
foreach(source ${fuzzers})
  get_filename_component(name ${source} NAME_WE)
  string(REPLACE fuzz_ "" subject ${name})
  add_executable(replay_${subject} ${source} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
  target_link_libraries(replay_${subject} PRIVATE fuzz_support)
  add_test(NAME fuzz/${subject} COMMAND replay_${subject} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${subject})
  set_tests_properties(fuzz/${subject} PROPERTIES TIMEOUT 120 LABELS unit)
  if(STOA_FUZZ)
    add_executable(${name} ${source})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(${name} PRIVATE fuzz_support)
  endif()
endforeach()

# Each suite that needs the server adds its own entries.
file(GLOB suites CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*/suite.cmake)
foreach(suite ${suites})
  include(${suite})
endforeach()

# The tests with several threads, for a build with ThreadSanitizer: label and target "threads". servers/pool has libpq's cancel,
# scenes/outgoing the resolver of libcurl.
if(STOA_SANITIZE STREQUAL thread)
  set(programs test_threads test_store test_store_sqlite test_sqlite_reads test_sqlite_damage test_sqlite_migration test_sqlite_backup
    test_verify)
  add_custom_target(threads DEPENDS ${programs} test_pool stoa)
  list(TRANSFORM programs PREPEND core/)
  set_tests_properties(${programs} servers/pool scenes/chat scenes/backup scenes/outgoing PROPERTIES LABELS threads)
  # If the kernel randomizes addresses too much for this compiler's ThreadSanitizer, nothing can run: the tests are disabled, and ./dev
  # counts them as skipped.
  include(CheckCSourceRuns)
  set(CMAKE_REQUIRED_FLAGS -fsanitize=thread)
  check_c_source_runs("int main(void) { return 0; }" THREAD_SANITIZER_RUNS)
  if(NOT THREAD_SANITIZER_RUNS)
    set_tests_properties(${programs} servers/pool scenes/chat scenes/backup scenes/outgoing PROPERTIES DISABLED TRUE)
  endif()
endif()
