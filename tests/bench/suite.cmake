# SPDX-License-Identifier: Apache-2.0
# The parts of the load that can be tested alone.
add_executable(bench_test_load ${CMAKE_SOURCE_DIR}/tests/bench/test_load.c ${CMAKE_SOURCE_DIR}/bench/load/histogram.c
  ${CMAKE_SOURCE_DIR}/bench/load/wire.c)
target_include_directories(bench_test_load PRIVATE ${CMAKE_SOURCE_DIR}/bench)
target_link_libraries(bench_test_load PRIVATE stoa_base PkgConfig::CMOCKA)
add_test(NAME bench/load COMMAND bench_test_load)
set_tests_properties(bench/load PROPERTIES TIMEOUT 60 LABELS unit)
