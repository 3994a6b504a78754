// The list of transforms: names, arguments, the order they must be in
// (docs/facts/quantization.md 1.6).
#include "compiler/quantize/graffitist_transforms.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "compiler/quantize/graffitist.h"
#include "core/error.h"

namespace workbench::graffitist {

namespace {

struct Known {
  std::string_view name;
  std::vector<std::string_view> arguments;
  std::vector<std::string_view> after;  // which must stand before it, if they are used at all
};

const std::vector<Known>& known_transforms() {
  static const std::vector<Known> known = {
      {"fix_input_shape", {}, {}},
      {"fold_batch_norms", {"is_training"}, {"fix_input_shape"}},
      {"fold_batch_norms_inplace", {}, {"fix_input_shape"}},
      {"remove_training_nodes", {"protected_node_patterns"}, {"fold_batch_norms"}},
      {"strip_unused_nodes", {}, {}},
      {"preprocess_layers", {}, {"fix_input_shape", "remove_training_nodes"}},
      {"quantize",
       {"weight_bits", "activation_bits", "layer_bits", "relu_bits", "avgpool_bits",
        "avgpool_reciprocal_bits", "first_layer", "last_layer", "layer_merge_list",
        "conv_split_list", "calibrate_quant_layers", "dump_quant_params", "bit_accurate",
        "is_training"},
       {"fold_batch_norms", "preprocess_layers"}}};
  return known;
}

template <typename Names>
std::string nearest(std::string_view name, const Names& names) {
  return nearest_name(name, std::vector<std::string>(names.begin(), names.end()));
}

const Known& known_transform(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Known& known : known_transforms()) {
    if (known.name == name) return known;
    names.push_back(known.name);
  }
  fail("transform '{}': expected a transform of Graffitist, '{}' is nearest", name,
       nearest(name, names));
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string unquoted(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == text.back() &&
                      (text.front() == '\'' || text.front() == '"');
  return std::string(quoted ? text.substr(1, text.size() - 2) : text);
}

// Where a text ends that may hold brackets and quotes, and what is open there.
struct Reach {
  std::size_t end = 0;
  int depth = 0;
  char quote = 0;
};

// Up to a character outside of them at which it stops.
template <typename Stops>
Reach reach(std::string_view text, Stops stops) {
  Reach result;
  for (; result.end < text.size(); ++result.end) {
    const char c = text[result.end];
    if (result.quote != 0) {
      if (c == result.quote) result.quote = 0;
    } else if (c == '\'' || c == '"') {
      result.quote = c;
    } else if (c == '[' || c == '(') {
      ++result.depth;
    } else if (c == ']' || c == ')') {
      --result.depth;
    } else if (result.depth <= 0 && stops(c)) {
      break;
    }
  }
  return result;
}

// The end of one argument.
std::size_t argument_end(std::string_view text) {
  return reach(text, [](char c) { return c == ','; }).end;
}

// The start of a text, which may be a whole file of anything.
std::string_view start_of(std::string_view text) { return text.substr(0, 60); }

bool is_gap(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ','; }

// The end of the transform that `text` begins with, a quote or a name. Throws Error.
std::size_t transform_end(std::string_view text) {
  if (text.front() == '\'' || text.front() == '"') {
    const std::size_t close = text.find(text.front(), 1);
    if (close == std::string_view::npos)
      fail("transforms: expected {} at the end of {}", text[0], start_of(text));
    return close + 1;
  }
  const Reach found = reach(text, is_gap);
  const std::string_view start = start_of(text);
  if (found.quote != 0) fail("transforms: expected {} at the end of '{}'", found.quote, start);
  if (found.depth > 0) fail("transforms: expected ')' at the end of '{}'", start);
  return found.end;
}

// Not there on purpose.
void refuse_left_shifts(std::string_view argument) {
  if (argument != "absorb_left_shifts" && argument != "left_shift_list") return;
  fail(
      "transform 'quantize': {}: not built: Graffitist moves left shifts of more than 1 into the "
      "thresholds of weights, which changes what the network computes, for a hardware without "
      "such shifts; no target here needs it: leave it out",
      argument);
}

Transform parse(std::string_view text) {
  text = trimmed(text);
  const std::size_t open = text.find('(');
  Transform transform{.name = std::string(trimmed(text.substr(0, open))), .arguments = {}};
  const Known& known = known_transform(transform.name);
  if (open == std::string_view::npos) return transform;
  if (text.back() != ')') fail("transform '{}': expected ')' at its end", text);
  std::string_view rest = trimmed(text.substr(open + 1, text.size() - open - 2));
  while (!rest.empty()) {
    const std::size_t end = argument_end(rest);
    const std::string_view item = trimmed(rest.substr(0, end));
    rest = end < rest.size() ? rest.substr(end + 1) : std::string_view();
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      fail("transform '{}': expected ARGUMENT=VALUE, found '{}'", transform.name, item);
    }
    const std::string_view name = trimmed(item.substr(0, equals));
    if (transform.name == "quantize") refuse_left_shifts(name);
    if (known.arguments.empty()) {
      fail("transform '{}': expected no argument, found '{}'", transform.name, name);
    }
    if (std::find(known.arguments.begin(), known.arguments.end(), name) == known.arguments.end()) {
      fail("transform '{}': expected one of its arguments, '{}' is nearest, found '{}'",
           transform.name, nearest(name, known.arguments), name);
    }
    transform.arguments.emplace_back(name, unquoted(trimmed(item.substr(equals + 1))));
  }
  return transform;
}

void check_order(const std::vector<Transform>& transforms) {
  const auto place = [&](std::string_view name) {
    return std::find_if(transforms.begin(), transforms.end(), [&](const Transform& transform) {
      return transform.name == name ||
             (name == "fold_batch_norms" && transform.name == "fold_batch_norms_inplace");
    });
  };
  for (auto it = transforms.begin(); it != transforms.end(); ++it) {
    if (place(it->name) != it) fail("transform '{}': expected once, found twice", it->name);
    for (const std::string_view before : known_transform(it->name).after) {
      if (place(before) != transforms.end() && place(before) > it) {
        fail("transform '{}': expected after '{}', found before it", it->name, before);
      }
    }
  }
  if (!transforms.empty() && place("fix_input_shape") != transforms.end() &&
      transforms.front().name != "fix_input_shape") {
    fail("transform 'fix_input_shape': expected first, found after '{}'", transforms.front().name);
  }
  if (transforms.empty() || transforms.back().name != "quantize") {
    fail("transforms: expected 'quantize' last, found {}",
         transforms.empty() ? "none" : "'" + transforms.back().name + "'");
  }
  if (place("preprocess_layers") == transforms.end()) {
    fail("transform 'quantize': expected 'preprocess_layers' before it, found none");
  }
}

// docs/facts/quantization.md 1.6: all alike but one.
constexpr std::array<std::string_view, 14> kNetworks = {
    "vgg16",        "vgg19",        "resnet_v1_50", "resnet_v1_101", "resnet_v1_152",
    "inception_v1", "inception_v2", "inception_v3", "inception_v4",  "mobilenet_v1",
    "mobilenet_v2", "darknet19",    "yolo_v2",      "yolo_v2_tiny"};

}  // namespace

std::vector<std::string> split_transforms(std::string_view text) {
  std::vector<std::string> transforms;
  while (!text.empty()) {
    const char c = text.front();
    if (is_gap(c) || (c == '\\' && (text.size() == 1 || text[1] == '\n' || text[1] == '\r'))) {
      text.remove_prefix(1);
    } else if (c == '#') {
      text.remove_prefix(std::min(text.find('\n'), text.size()));
    } else {
      const std::size_t end = transform_end(text);
      transforms.push_back(unquoted(text.substr(0, end)));
      text.remove_prefix(end);
    }
  }
  return transforms;
}

std::vector<Transform> parse_transforms(const std::vector<std::string>& texts) {
  std::vector<Transform> transforms;
  for (const std::string& text : texts) transforms.push_back(parse(text));
  check_order(transforms);
  return transforms;
}

std::vector<Transform> published_recipe(std::string_view network, int weight_bits) {
  CHECK(weight_bits == -8 || weight_bits == -4, "weight_bits {}", weight_bits);
  if (!network.empty() &&
      std::find(kNetworks.begin(), kNetworks.end(), network) == kNetworks.end()) {
    fail("graffitist recipe '{}': expected a published network, '{}' is nearest", network,
         nearest(network, kNetworks));
  }
  // The pool of darknet19 reads signed values: its activation is leaky.
  const std::string pool = network == "darknet19" ? "-8" : "8";
  return parse_transforms(
      {"fix_input_shape", "fold_batch_norms(is_training=False)", "remove_training_nodes",
       "strip_unused_nodes", "preprocess_layers",
       fmt::format("quantize(weight_bits={}, activation_bits=-8, layer_bits=-16, relu_bits=8, "
                   "avgpool_bits={}, avgpool_reciprocal_bits=8)",
                   weight_bits, pool)});
}

}  // namespace workbench::graffitist
