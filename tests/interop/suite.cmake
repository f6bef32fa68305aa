# The clients that need no other toolchain than the build's; `./dev nightly clients` runs all of them.
find_program(NODE node REQUIRED)
add_test(NAME interop/clients COMMAND ${NODE} --test-reporter=spec ${CMAKE_CURRENT_LIST_DIR}/clients.test.mjs python libwebsockets
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(interop/clients PROPERTIES TIMEOUT 300 LABELS scene ENVIRONMENT
  "STOA_BINARY=$<TARGET_FILE:stoa>;ASAN_OPTIONS=detect_stack_use_after_return=0")
