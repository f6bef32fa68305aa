# Turns config/sql/sqlite/*.sql into a C table, in the order of their names.
# cmake -DFOLDER=… -DOUT=… -P embed.cmake
file(GLOB scripts ${FOLDER}/*.sql)
list(SORT scripts)
set(text "#include \"store/sqlite_db.h\"\n\nconst char *const sqlite_migrations[] = {\n")
foreach(script ${scripts})
  file(READ ${script} sql)
  string(REPLACE "\\" "\\\\" sql "${sql}")
  string(REPLACE "\"" "\\\"" sql "${sql}")
  string(REPLACE "\n" "\\n\"\n    \"" sql "${sql}")
  string(APPEND text "    \"${sql}\",\n")
endforeach()
string(APPEND text "    0,\n};\n")
file(WRITE ${OUT} "${text}")
