#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>

namespace pleat::tools {

/// Help in the form "--batch N    Items a step (default 64)".
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    constexpr size_t kTextColumn = 26;
    column_width(kTextColumn);
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0) return "";
    std::string type = option->get_type_name();
    type.erase(std::min(type.find(':'), type.size()));  // what follows are the checks
    if (type == "INT" || type == "UINT") type = "N";
    if (type == "FLOAT") type = "X";
    return type.empty() ? type : " " + type;
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string text = option->get_description();
    if (option->get_required()) text += " (required)";
    if (!option->get_default_str().empty()) text += " (default " + option->get_default_str() + ")";
    return text;
  }
};

}  // namespace pleat::tools
