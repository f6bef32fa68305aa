# SPDX-License-Identifier: Apache-2.0
# Compares Stoa's parsers with those of the reference on random inputs. `./dev nightly differential` makes a million for each.
find_program(NODE node REQUIRED)
add_executable(differential ${CMAKE_CURRENT_LIST_DIR}/decode.c ${CMAKE_CURRENT_LIST_DIR}/decode_net.c)
target_link_libraries(differential PRIVATE stoa_net)
add_test(NAME differential/parsers COMMAND ${NODE} ${CMAKE_CURRENT_LIST_DIR}/run.mjs $<TARGET_FILE:differential> 20000 1
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(differential/parsers PROPERTIES TIMEOUT 300 LABELS scene)
