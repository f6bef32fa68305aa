# SPDX-License-Identifier: Apache-2.0
# The checker and the proxy alone, then the faults; with STOA_FAULTS also planted faults, which must turn the checker red.
find_program(NODE node REQUIRED)
foreach(tool checker proxy)
  add_test(NAME faults/${tool} COMMAND ${NODE} --test ${CMAKE_SOURCE_DIR}/tests/faults/${tool}.test.mjs)
  set_tests_properties(faults/${tool} PROPERTIES LABELS unit TIMEOUT 60)
endforeach()
if(TARGET stoa)
  add_test(NAME faults/faults COMMAND ${NODE} --test ${CMAKE_SOURCE_DIR}/tests/faults/faults.test.mjs)
  set_tests_properties(faults/faults PROPERTIES LABELS faults TIMEOUT 900 RUN_SERIAL TRUE ENVIRONMENT
    "STOA_BINARY=$<TARGET_FILE:stoa>;STOA_SANITIZED=$<IF:$<BOOL:${STOA_SANITIZE}>,1,>")
  if(STOA_FAULTS)
    # These run with the sanitizers, because failovers exercise memory handling; their time bounds are seconds of server work. Each
    # entry is a subject of troubles/ and how many of its troubles run at a time. Label waits: the entry waits for servers more
    # than for the processor, so `./dev test` runs several at once (PROCESSORS: fleets of an entry); each fleet has its own ports
    # and folder.
    foreach(subject "nodes 1" "redis 1 waits" "postgres 1 waits" "primaries 2 waits" "backups 3 waits" "stalls 1" "people 2 waits"
        "damage 1 waits")
      separate_arguments(subject)
      list(GET subject 0 name)
      list(GET subject 1 fleets)
      add_test(NAME faults/${name} COMMAND ${NODE} ${CMAKE_SOURCE_DIR}/tests/faults/troubles.test.mjs ${fleets} ${name})
      set_tests_properties(faults/${name} PROPERTIES LABELS faults TIMEOUT 900 ENVIRONMENT "STOA_BINARY=$<TARGET_FILE:stoa>")
      if("waits" IN_LIST subject)
        set_tests_properties(faults/${name} PROPERTIES LABELS "faults;waits" PROCESSORS ${fleets})
      else()
        set_tests_properties(faults/${name} PROPERTIES RUN_SERIAL TRUE)
      endif()
    endforeach()
    foreach(suite planted fleet_planted)
      add_test(NAME faults/${suite} COMMAND ${NODE} --test ${CMAKE_SOURCE_DIR}/tests/faults/${suite}.test.mjs)
      set_tests_properties(faults/${suite} PROPERTIES LABELS faults TIMEOUT 900 RUN_SERIAL TRUE ENVIRONMENT
        "STOA_BINARY=$<TARGET_FILE:stoa>")
    endforeach()
  else()
    # tests that do not work with the sanitizer's runtime (libfaketime) or whose figures it distorts (memory)
    add_test(NAME faults/plain COMMAND ${NODE} --test "--test-name-pattern=N26|N27|N31"
      ${CMAKE_SOURCE_DIR}/tests/faults/faults.test.mjs)
    set_tests_properties(faults/plain PROPERTIES LABELS plain TIMEOUT 120 RUN_SERIAL TRUE ENVIRONMENT
      "STOA_BINARY=$<TARGET_FILE:stoa>")
  endif()
endif()
