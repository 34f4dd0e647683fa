# Read by cpack for each generator: which components go into which package.
if(CPACK_GENERATOR STREQUAL "DEB")
    set(CPACK_COMPONENTS_ALL runtime)
else()
    set(CPACK_COMPONENTS_ALL runtime bundled)
endif()
if(CPACK_GENERATOR STREQUAL "TZST")
    set(CPACK_PACKAGING_INSTALL_PREFIX "")
endif()
