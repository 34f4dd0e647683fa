/* Which dialect's requests a program of fuzz_dialect.cpp is for. */

const char* gantry_fuzz_dialect(void);

const char* gantry_fuzz_dialect(void) { return GANTRY_FUZZ_DIALECT; }
