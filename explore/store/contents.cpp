#include "explore/store/contents.h"

#include <cstdint>
#include <map>
#include <vector>

#include "core/error.h"

namespace workbench {

namespace {

constexpr std::size_t kPage = 4096;

std::uint32_t number_at(const std::string& bytes, std::size_t at, std::size_t size = 4) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value = value << 8U | static_cast<unsigned char>(bytes.at(at + i));
  }
  return value;
}

void set_number(std::string& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes.at(at + i) = static_cast<char>(value >> (24U - 8U * static_cast<unsigned>(i)));
  }
}

// Where the numbers of a page's children are in the file; none: it is a leaf. Pages count from 1;
// the first begins with the file's header of 100 bytes.
std::vector<std::size_t> child_places(const std::string& file, std::uint32_t page) {
  constexpr std::uint32_t kInteriorOfTable = 5;
  const std::size_t begin = (page - 1) * kPage;
  const std::size_t header = begin + (page == 1 ? 100 : 0);
  if (number_at(file, header, 1) != kInteriorOfTable) return {};
  std::vector<std::size_t> places{header + 8};
  const std::uint32_t cells = number_at(file, header + 3, 2);
  for (std::uint32_t cell = 0; cell < cells; ++cell) {
    places.push_back(begin + number_at(file, header + 12 + 2 * cell, 2));
  }
  return places;
}

// Appends the tree under `page` of `from` and returns the page's number there.
std::uint32_t append_tree(const std::string& from, std::uint32_t page, std::string& to) {
  std::map<std::size_t, std::uint32_t> moved;  // place within the page -> number of the child
  for (const std::size_t place : child_places(from, page)) {
    moved[place - (page - 1) * kPage] = append_tree(from, number_at(from, place), to);
  }
  const std::size_t begin = to.size();
  to += from.substr((page - 1) * kPage, kPage);
  for (const auto& [place, child] : moved) set_number(to, begin + place, child);
  return static_cast<std::uint32_t>(begin / kPage + 1);
}

}  // namespace

std::string with_contents_of(std::string damaged, const std::string& fresh) {
  CHECK(fresh.size() >= kPage && number_at(fresh, 16, 2) == kPage, "{} bytes", fresh.size());
  damaged.resize((damaged.size() + kPage - 1) / kPage * kPage);
  const std::vector<std::size_t> places = child_places(fresh, 1);
  std::string first = fresh.substr(0, kPage);
  for (const std::size_t place : places) {
    set_number(first, place, append_tree(fresh, number_at(fresh, place), damaged));
  }
  first[18] = first[19] = 1;  // no write-ahead log beside it
  set_number(first, 28, static_cast<std::uint32_t>(damaged.size() / kPage));
  set_number(first, 32, 0);  // no list of free pages
  set_number(first, 36, 0);
  return damaged.replace(0, kPage, first);
}

}  // namespace workbench
