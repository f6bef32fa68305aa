# The checker alone, then the faults; with STOA_FAULTS also the planted ones, which must turn the checker red.
find_program(NODE node REQUIRED)
add_test(NAME faults/checker COMMAND ${NODE} --test ${CMAKE_SOURCE_DIR}/tests/faults/checker.test.mjs)
set_tests_properties(faults/checker PROPERTIES LABELS unit TIMEOUT 60)
if(TARGET stoa)
  add_test(NAME faults/faults COMMAND ${NODE} --test ${CMAKE_SOURCE_DIR}/tests/faults/faults.test.mjs)
  set_tests_properties(faults/faults PROPERTIES LABELS faults TIMEOUT 900 RUN_SERIAL TRUE ENVIRONMENT
    "STOA_BINARY=$<TARGET_FILE:stoa>;STOA_SANITIZED=$<IF:$<BOOL:${STOA_SANITIZE}>,1,>")
endif()
