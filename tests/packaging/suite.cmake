# SPDX-License-Identifier: Apache-2.0
# The packages as users get them: built, installed, started by their unit, reloaded, upgraded, removed. Only in the plain
# build, because packages must not have instrumented objects.
find_program(NODE node REQUIRED)
if(TARGET stoa AND NOT STOA_SANITIZE AND NOT STOA_FAULTS AND NOT STOA_FUZZ)
  set(packages ${CMAKE_BINARY_DIR}/packaging/test)
  add_test(NAME packaging/build COMMAND ${CMAKE_CPACK_COMMAND} -B ${packages})
  set_tests_properties(packaging/build PROPERTIES FIXTURES_SETUP packages)
  foreach(kind deb rpm)
    add_test(NAME packaging/${kind} COMMAND ${NODE} --test-reporter=spec ${CMAKE_SOURCE_DIR}/tests/packaging/${kind}.test.mjs)
    set_tests_properties(packaging/${kind} PROPERTIES FIXTURES_REQUIRED packages SKIP_RETURN_CODE 77
      ENVIRONMENT "STOA_PACKAGES=${packages};STOA_VERSION=${PROJECT_VERSION}")
  endforeach()
  add_test(NAME packaging/proxies COMMAND ${NODE} --test-reporter=spec ${CMAKE_SOURCE_DIR}/tests/packaging/proxies.test.mjs)
  set_tests_properties(packaging/proxies PROPERTIES SKIP_RETURN_CODE 77
    ENVIRONMENT "STOA_PACKAGES=${packages};STOA_BINARY=$<TARGET_FILE:stoa>")
  set_tests_properties(packaging/build packaging/deb packaging/rpm packaging/proxies PROPERTIES LABELS "packaging;plain" RUN_SERIAL TRUE
    TIMEOUT 900)
endif()
