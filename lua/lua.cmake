# lua/stoa/*.lua, the part of the library that is nicer in Lua, is built in: lua/embedded.c is made from it.
file(GLOB stoa_lua_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/lua/stoa/*.lua)
set(embedded ${CMAKE_BINARY_DIR}/embedded.c)
add_custom_command(OUTPUT ${embedded}
  COMMAND ${CMAKE_COMMAND} -DOUT=${embedded} -DFOLDER=${CMAKE_SOURCE_DIR}/lua/stoa
    -P ${CMAKE_SOURCE_DIR}/lua/embed.cmake
  DEPENDS ${stoa_lua_files} ${CMAKE_SOURCE_DIR}/lua/embed.cmake)
target_sources(stoa_lua PRIVATE ${embedded})
target_include_directories(stoa_lua PUBLIC ${CMAKE_SOURCE_DIR})
# lua-cjson's library for Lua 5.1 takes the lua_* functions from whoever loads it: LuaJIT here.
find_library(CJSON lua5.1-cjson REQUIRED)
target_link_libraries(stoa_lua PUBLIC ${CJSON} m)
