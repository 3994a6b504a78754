// What stands in the way of an import: all of it, in one line.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace workbench::importer {

class Obstacles {
 public:
  // `message`: of the Error, which may begin with "node 'NODE' (OP): ".
  void add(const std::string& node, const std::string& op, std::string_view message);
  // Of no node.
  void add(const std::string& message);

  std::int64_t count() const { return count_; }  // nodes and others that were refused
  // The message of the only one as it is; else equal ones together: "2 obstacles: LSTM (3 nodes,
  // first 'x'): operator is not supported; ...", up to a bound.
  std::string text() const;

 private:
  struct Group {
    std::string op, node, reason;  // `op` empty: of no node
    std::int64_t nodes = 0;
  };
  std::vector<Group> groups_;
  std::map<std::pair<std::string, std::string>, std::size_t> places_;
  std::int64_t count_ = 0;
};

}  // namespace workbench::importer
