#include "coverage-table.h"
const unsigned coverage_moves[] = {0};
const size_t coverage_n_moves = 0;
