// Which of the two trees a test runs in.
#pragma once

namespace workbench {

// Under AddressSanitizer a case takes some ten times as long: there are fewer then.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace workbench
