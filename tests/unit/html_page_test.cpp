#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "explore/html/page.h"

namespace workbench {
namespace {

TEST(HtmlPage, data_cannot_leave_their_script_element_and_are_the_same_json) {
  const std::string name = "</script><!--<script>& \"\\u003c\" \xe2\x82\xac";
  const std::string json = nlohmann::json{{"name", name}, {"numbers", {1, 2.5, nullptr}}}.dump(2);
  const std::string escaped = json_for_script(json);
  EXPECT_EQ(escaped.find('<'), std::string::npos);
  EXPECT_EQ(escaped.find('\n'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(escaped), nlohmann::json::parse(json));
}

TEST(HtmlPage, text_is_not_markup) {
  EXPECT_EQ(escaped_for_html("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
}

TEST(HtmlPage, a_page_holds_its_title_its_data_vega_and_nothing_from_elsewhere) {
  const std::string html =
      html_page({.title = "<T>", .json = "{\"a\": 1}", .script = embedded_file("accuracy.js")});
  EXPECT_NE(html.find("<title>&lt;T&gt;</title>"), std::string::npos);
  EXPECT_NE(html.find("id=\"data\">{\"a\":1}</script>"), std::string::npos);
  EXPECT_NE(html.find(embedded_file("accuracy.js")), std::string::npos);
  EXPECT_NE(html.find("Interactive Data Lab"), std::string::npos);  // the licence's notice
  for (const char* elsewhere :
       {"sourceMappingURL", "<script src", "<link rel=\"stylesheet", "@import"}) {
    EXPECT_EQ(html.find(elsewhere), std::string::npos) << elsewhere;
  }
}

TEST(HtmlPage, every_module_of_vega_is_there) {
  EXPECT_GE(vega_modules().size(), 19u);
  for (const EmbeddedFile& module : vega_modules()) EXPECT_GT(module.contents.size(), 400u);
}

}  // namespace
}  // namespace workbench
