# SPDX-License-Identifier: Apache-2.0
# Turns FOLDER/*.sql into a C table NAME, in the order of their names.
# cmake -DFOLDER=… -DNAME=… -DHEADER=… -DOUT=… -P embed.cmake
file(GLOB scripts ${FOLDER}/*.sql)
list(SORT scripts)
set(text "#include \"${HEADER}\"\n\nconst char *const ${NAME}[] = {\n")
foreach(script ${scripts})
  file(READ ${script} sql)
  string(REPLACE "\\" "\\\\" sql "${sql}")
  string(REPLACE "\"" "\\\"" sql "${sql}")
  string(REPLACE "\n" "\\n\"\n    \"" sql "${sql}")
  string(APPEND text "    \"${sql}\",\n")
endforeach()
string(APPEND text "    0,\n};\n")
file(WRITE ${OUT} "${text}")
