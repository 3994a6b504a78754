// Which combinations of values a study leaves out: expressions on the numbers of its parameters and
// options, such as "l1 * cores <= 512k && tiler != dory".
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace workbench {

struct Dimension;

class Conditions {
 public:
  // `variables`: what the expressions may name; options are dimensions of one value. A value that
  // is no number is a word, to be compared with == and !=. Numbers may have k and M behind them.
  // Throws Error "WHERE: ..." for an expression that cannot be read or names something else.
  Conditions(std::span<const std::string> expressions, std::span<const Dimension> variables,
             const std::string& where);
  ~Conditions();

  // Whether all hold (are not 0) for the values of these indices, one for each variable. Throws
  // Error when one gives no number.
  bool hold(std::span<const std::size_t> indices);

 private:
  struct Expression;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace workbench
