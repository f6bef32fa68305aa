# SPDX-License-Identifier: Apache-2.0
# Rules of the house that a machine can check. Each prints what breaks it.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(rules includes sizes names scripts format security licence)
if(TARGET stoa)
  list(APPEND rules config)
endif()
if(TARGET stoa AND NOT STOA_SANITIZE AND NOT STOA_FUZZ)
  list(APPEND rules hardening)
endif()
foreach(rule ${rules})
  add_test(NAME lint/${rule} COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tests/lint/lint.py ${rule}
    ${CMAKE_BINARY_DIR} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(lint/${rule} PROPERTIES LABELS lint TIMEOUT 120)
endforeach()
add_test(NAME lint/planted COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tests/lint/test_lint.py)
set_tests_properties(lint/planted PROPERTIES LABELS lint TIMEOUT 120)
add_test(NAME lint/lua_api COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tests/lint/lua_api.py)
set_tests_properties(lint/lua_api PROPERTIES LABELS lint TIMEOUT 120)
