/* A shared library that is no plugin. */
__attribute__((visibility("default"))) int gantry_backend_entry_misspelt(void) { return 1; }
