// workbench asm: a program's text or JSON, checked, as the other form.
#include "app/commands.h"
#include "app/listing.h"
#include "core/file.h"

namespace workbench::app {

void write_listing(const xdnn::Listing& listing, const ListingOptions& options) {
  const std::string contents =
      options.format == "json" ? xdnn::print_json(listing) : xdnn::print_text(listing);
  if (options.output.empty()) {
    print(contents);
  } else {
    write_file(options.output, contents);
  }
}

int assemble(const ListingOptions& options) {
  require_writable_file(options.output);
  write_listing(xdnn::parse_listing(read_file(options.file), options.file.string()), options);
  return 0;
}

}  // namespace workbench::app
