# The schema's migrations are built in: sqlite_migrations.c is made from config/sql/sqlite/.
file(GLOB sqlite_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/config/sql/sqlite/*.sql)
set(migrations ${CMAKE_BINARY_DIR}/sqlite_migrations.c)
add_custom_command(OUTPUT ${migrations}
  COMMAND ${CMAKE_COMMAND} -DOUT=${migrations} -DFOLDER=${CMAKE_SOURCE_DIR}/config/sql/sqlite
    -P ${CMAKE_SOURCE_DIR}/config/sql/embed.cmake
  DEPENDS ${sqlite_scripts} ${CMAKE_SOURCE_DIR}/config/sql/embed.cmake)
target_sources(stoa_store PRIVATE ${migrations})
