#include "explore/report/trace.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace workbench {

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

TraceText::TraceText(std::string_view process, const std::vector<std::string>& tracks,
                     double clock_mhz)
    : clock_mhz_(clock_mhz) {
  text_ = fmt::format(
      "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
      "{{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{{\"name\":{}}}}}",
      json_text(process));
  for (std::size_t track = 0; track < tracks.size(); ++track) {
    text_ += fmt::format(
        ",\n{{\"ph\":\"M\",\"pid\":1,\"tid\":{0},\"name\":\"thread_name\",\"args\":{{\"name\":{1}}}"
        "}}"
        ",\n{{\"ph\":\"M\",\"pid\":1,\"tid\":{0},\"name\":\"thread_sort_index\","
        "\"args\":{{\"sort_index\":{0}}}}}",
        track + 1, json_text(tracks[track]));
  }
}

void TraceText::slice(std::size_t track, std::int64_t begin, std::int64_t end,
                      std::string_view name, std::string_view category, std::string_view args) {
  const auto microseconds = [&](std::int64_t cycles) {
    return static_cast<double>(cycles) / clock_mhz_;
  };
  fmt::format_to(std::back_inserter(text_),
                 ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":{},\"ts\":{:.6f},\"dur\":{:.6f},\"name\":{},"
                 "\"cat\":{},\"args\":{{\"begin_cycle\":{},\"cycles\":{}{}}}}}",
                 track + 1, microseconds(begin), microseconds(end - begin), json_text(name),
                 json_text(category), begin, end - begin, args);
}

std::string TraceText::take(std::string_view more) {
  text_ += fmt::format("\n]{}}}\n", more);
  return std::move(text_);
}

}  // namespace workbench
