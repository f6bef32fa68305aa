# SPDX-License-Identifier: Apache-2.0
# Measurements: bench/README.md says how to run them. Only their smoke test (tests/scenes/bench.test.mjs) is part of the tests.
add_executable(bench_hook bench/hook.c)
target_link_libraries(bench_hook PRIVATE stoa_lua)
set_target_properties(bench_hook PROPERTIES ENABLE_EXPORTS ON)

file(GLOB load_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/load/*.c)
add_executable(bench_load ${load_sources})
target_include_directories(bench_load PRIVATE ${CMAKE_SOURCE_DIR}/bench)
target_link_libraries(bench_load PRIVATE stoa_base PkgConfig::SSL)

add_executable(bench_limit bench/limit.c)
target_link_libraries(bench_limit PRIVATE stoa_wire)

add_executable(bench_store bench/store.c)
target_link_libraries(bench_store PRIVATE stoa_store)
