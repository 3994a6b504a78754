// What every test reads besides, parsed once (cmake/precompiled_headers.cmake).
#pragma once

#include <gtest/gtest.h>

#include "core/precompiled.h"
