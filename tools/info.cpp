#include <memory>

#include "commands.hpp"
#include "inputs.hpp"
#include "model_args.hpp"
#include "output.hpp"
#include "table.hpp"

namespace pleat::tools {

namespace {

struct InfoArgs {
  ModelArgs model;
  Output output;
  bool dot = false;
};

int info(const InfoArgs& args) {
  OpenedModel opened = open_model(args.model);
  if (args.dot) {
    std::cout << opened.model.graph().dot();
    return 0;
  }
  const auto count = [](int64_t value) { return value == 0 ? std::string() : grouped(value); };
  Table table({{"layer"},
               {"kind"},
               {"output"},
               {"parameters", Align::right},
               {"multiply-adds", Align::right},
               {"in inference"}});
  Json layers = Json::array();
  int64_t parameters = 0, multiply_adds = 0;
  const Graph& graph = opened.model.graph();
  std::vector<Shape> shapes;
  for (const Value value : graph.inputs()) shapes.push_back(with_batch(graph.shape(value), 1, opened.sizes));
  for (const LayerInfo& layer : opened.model.layers(shapes)) {
    table.add({layer.name, layer.kind, layer.output.str(), count(layer.parameters),
               count(layer.multiply_adds), layer.folded});
    layers.push_back({{"name", layer.name},
                      {"kind", layer.kind},
                      {"output", layer.output.dims()},
                      {"parameters", layer.parameters},
                      {"multiply_adds", layer.multiply_adds},
                      {"folded", layer.folded}});
    parameters += layer.parameters;
    multiply_adds += layer.multiply_adds;
  }
  const FoldReport& report = opened.model.fold_report();
  std::ostream& text = args.output.text();
  Json inputs = Json::array(), outputs = Json::array();
  const auto list = [&](const std::vector<Value>& values, const char* what, Json& json) {
    for (const Value value : values) {
      const Shape shape = with_batch(graph.shape(value), 1, opened.sizes);
      text << args.model.model << ": " << what << ' ' << graph.name(value) << ' ' << shape.str() << '\n';
      json.push_back({{"name", graph.name(value)}, {"shape", shape.dims()}});
    }
  };
  list(graph.inputs(), "input", inputs);
  list(graph.outputs(), "output", outputs);
  text << '\n';
  table.print(text);
  text << '\n'
       << grouped(parameters) << " parameters, " << grouped(multiply_adds) << " multiply-adds an item; "
       << report.folded() << " BatchNorm folded in inference, " << report.left() << " left\n";
  args.output.finish({{"model", args.model.model},
                      {"inputs", inputs},
                      {"outputs", outputs},
                      {"parameters", parameters},
                      {"multiply_adds", multiply_adds},
                      {"folded", report.folded()},
                      {"left", report.left()},
                      {"layers", layers}});
  return 0;
}

}  // namespace

Command add_info(CLI::App& app) {
  auto args = std::make_shared<InfoArgs>();
  CLI::App* parser = app.add_subcommand("info", "Lists a network's layers, and where each BatchNorm goes");
  args->model.add_to(*parser, Weights::optional);
  parser->add_flag("--dot", args->dot,
                   "Print the graph for Graphviz instead: pleat info M --dot | dot -Tsvg");
  args->output.add_to(*parser);
  return {parser, [args] { return info(*args); }};
}

}  // namespace pleat::tools
