# Measurements; not part of the tests. bench/README.md says how to run them.
add_executable(bench_hook bench/hook.c)
target_link_libraries(bench_hook PRIVATE stoa_lua)
set_target_properties(bench_hook PROPERTIES ENABLE_EXPORTS ON)
