#include "config.hpp"

#include <memory>
#include <vector>

#include "pleat/error.hpp"
#include "pleat/isa.hpp"

namespace pleat::tools {

namespace {

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// A number where the text is one.
Json value_of(const std::string& text) {
  const Json parsed = Json::parse(text, /*callback=*/nullptr, /*allow_exceptions=*/false);
  return parsed.is_number() ? parsed : Json(text);
}

class JsonConfig : public CLI::Config {
 public:
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }

  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override {
    std::vector<CLI::ConfigItem> items;
    const Json file = Json::parse(in, /*callback=*/nullptr, /*allow_exceptions=*/false);
    if (!file.is_object()) throw CLI::ConversionError("--config: not a run's config.json");
    for (const auto& [command, options] : file.items()) {
      if (!options.is_object()) continue;  // says where the run was made
      for (const auto& [name, value] : options.items()) {
        CLI::ConfigItem item{{command}, name, {}};
        if (value.is_array()) {
          for (const Json& each : value) item.inputs.push_back(text_of(each));
        } else {
          item.inputs.push_back(text_of(value));
        }
        items.push_back(std::move(item));
      }
    }
    return items;
  }
};

bool is_flag(const CLI::Option& option) {
  return option.get_expected_min() == 0;
}

bool takes_several(const CLI::Option& option) {
  return option.get_items_expected_max() > 1 ||
         option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
}

}  // namespace

void add_config_option(CLI::App& app) {
  app.set_config("--config", "", "train: options from an earlier run's config.json")->type_name("FILE");
  app.allow_config_extras(false);
  app.config_formatter(std::make_shared<JsonConfig>());
}

Json options_json(const CLI::App& command) {
  Json json = Json::object();
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_configurable()) continue;
    const std::string name = option->get_single_name();
    if (is_flag(*option)) {
      json[name] = option->count() > 0 && option->as<bool>();
    } else if (takes_several(*option)) {
      Json values = Json::array();
      for (const std::string& text : option->reduced_results()) values.push_back(value_of(text));
      if (!values.empty()) json[name] = std::move(values);
    } else if (option->count() > 0) {
      json[name] = value_of(option->as<std::string>());
    } else if (const std::string text = option->get_default_str(); !text.empty()) {
      json[name] = value_of(text);
    }
  }
  return json;
}

Json config_json(const CLI::App& command, const Json& options) {
  return {{"pleat", PLEAT_VERSION}, {"isa", active_isa()}, {command.get_name(), options}};
}

void set_option(CLI::App& command, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  const std::string name = assignment.substr(0, equals);
  CLI::Option* option = command.get_option_no_throw("--" + name);
  if (CLI::Option* of_layers = command.get_option_no_throw("--bn");
      option == nullptr && of_layers != nullptr && name.find('.') != std::string::npos) {
    of_layers->add_result(assignment);
    of_layers->run_callback();
    return;
  }
  if (equals == std::string::npos || option == nullptr || !option->get_configurable()) {
    throw Error("--set " + assignment + ": NAME=VALUE is needed, where NAME is an option of " +
                command.get_name() + " without its dashes, such as lr=0.1, or LAYER.OPTION of a BatchNorm");
  }
  const std::string value = assignment.substr(equals + 1);
  option->clear();
  option->add_result(is_flag(*option) ? option->get_flag_value(name, value) : value);
  option->run_callback();
}

}  // namespace pleat::tools
