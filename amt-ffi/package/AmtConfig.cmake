# find_package(Amt) defines Amt::amt, the shared library, and where the package has it Amt::static.
get_filename_component(_amt_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET Amt::amt)
  add_library(Amt::amt SHARED IMPORTED)
  set_target_properties(Amt::amt PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_amt_prefix}/include")
  if(WIN32)
    set_target_properties(Amt::amt PROPERTIES
      IMPORTED_LOCATION "${_amt_prefix}/bin/amt-@ABI@.dll"
      IMPORTED_IMPLIB "${_amt_prefix}/lib/libamt.dll.a")
  else()
    set_target_properties(Amt::amt PROPERTIES
      IMPORTED_LOCATION "${_amt_prefix}/lib/libamt.so.@ABI@"
      IMPORTED_SONAME "libamt.so.@ABI@")
  endif()
endif()

if(NOT TARGET Amt::static AND EXISTS "${_amt_prefix}/lib/libamt.a")
  find_package(Threads REQUIRED)
  add_library(Amt::static STATIC IMPORTED)
  set_target_properties(Amt::static PROPERTIES
    IMPORTED_LOCATION "${_amt_prefix}/lib/libamt.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_amt_prefix}/include"
    INTERFACE_LINK_LIBRARIES "Threads::Threads;m;${CMAKE_DL_LIBS};gcc_s")
endif()

unset(_amt_prefix)
