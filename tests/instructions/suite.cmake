# SPDX-License-Identifier: Apache-2.0
# The hot functions must not need more instructions than before (table.txt). Not with sanitizers, which change the counts.
find_path(CALLGRIND_INCLUDE valgrind/callgrind.h)
if(TARGET stoa AND NOT STOA_SANITIZE AND CALLGRIND_INCLUDE)
  add_executable(instructions ${CMAKE_SOURCE_DIR}/tests/instructions/count.c)
  target_include_directories(instructions PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests/core)
  target_link_libraries(instructions PRIVATE core_support stoa_lua)
  set_target_properties(instructions PROPERTIES ENABLE_EXPORTS ON)
  add_test(NAME instructions/table COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tests/instructions/check.py
    ${CMAKE_BINARY_DIR})
  set_tests_properties(instructions/table PROPERTIES LABELS plain TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
